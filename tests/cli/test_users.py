"""``sendit user`` and ``sendit token``: who may come in is decided on the command line."""

import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from sendit.errors import UsageError
from sendit.records.people import ApiToken, Grant
from tests.support.installation import Finished, Installation
from tests.support.visitors import make_user

GOOD = "four-words-and-a-9"


def add(installation: Installation, name: str, *words: str, password: str = GOOD) -> Finished:
    done = subprocess.run(
        [sys.executable, "-m", "sendit", "user", "add", name, *words, "--password-stdin"],
        input=f"{password}\n",
        cwd=installation.root,
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_the_first_admin_is_made_by_command(installation: Installation) -> None:
    first = add(installation, "maria", "--role", "admin")
    again = add(installation, "Maria")
    weak = add(installation, "jo", password="12345678")
    odd = add(installation, "a b")
    local = add(installation, "local")
    issued = installation.run("token", "issue", "maria", "--name", "x")
    listed = installation.run("user", "list")

    assert (first.returncode, weak.returncode) == (0, 1), first.stderr
    assert "admin (every project)" in first.stdout
    assert again.returncode == odd.returncode == local.returncode == 1
    assert "too short" in weak.stderr
    assert issued.returncode == 0
    assert issued.stdout.strip().startswith("sendit_")
    assert len(issued.stdout.split()) == 1
    assert "maria" in listed.stdout
    assert GOOD not in "".join(one.stdout + one.stderr for one in (first, again, weak, listed))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_this_process")
def test_roles_are_granted_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    make_user("maria")

    call_command("user", "role", "maria", "--grant", "operator", "--project", "demo")
    call_command("user", "role", "maria", "--grant", "viewer", "--grant", "viewer")
    call_command("user", "role", "maria", "--revoke", "viewer")

    assert [(grant.role, grant.project) for grant in Grant.objects.all()] == [("operator", "demo")]
    assert "operator (demo)" in capsys.readouterr().out
    for words in (
        ["role", "maria"],
        ["role", "maria", "--revoke", "admin"],
        ["role", "maria", "--grant", "admin", "--project", "nope"],
        ["role", "nobody", "--grant", "admin"],
    ):
        with pytest.raises(UsageError):
            call_command("user", *words)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_this_process")
def test_somebody_is_disabled_and_unlocked() -> None:
    make_user("maria")

    call_command("user", "disable", "maria")
    assert not User.objects.get().is_active
    call_command("user", "unlock", "maria")
    assert User.objects.get().is_active


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_this_process")
def test_a_locked_name_is_freed(client: Client) -> None:
    make_user("maria")
    for _ in range(6):
        answer = client.post("/login/", {"username": "maria", "password": "x"})
    assert answer.status_code == 429

    call_command("user", "unlock", "maria")

    assert client.post("/login/", {"username": "maria", "password": "x"}).status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_this_process")
def test_a_token_is_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    make_user("maria")
    call_command("token", "issue", "maria", "--name", "x", "--scope", "act", "--days", "2")
    text = capsys.readouterr().out.strip()
    token = ApiToken.objects.get()

    call_command("token", "list")
    call_command("token", "revoke", str(token.pk))
    call_command("token", "list")

    told = capsys.readouterr().out
    assert text not in told
    assert "revoked" in told
    assert token.scopes == ["act"]
    for words in (
        ["revoke", str(token.pk)],
        ["revoke", "999"],
        ["issue", "nobody", "--name", "x"],
        ["issue", "maria", "--name", "x", "--days", "0"],
        ["issue", "maria", "--name", "", "--days", "1"],
        ["issue", "maria", "--name", "x", "--project", "nope"],
    ):
        with pytest.raises(UsageError):
            call_command("token", *words)
