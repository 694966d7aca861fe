"""``sendit user`` and ``sendit token``: who may come in is decided on the command line."""

import io
import os
import pwd
import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.records import audit
from sendit.records.accounts import account_of
from sendit.records.audit_tables import AuditEntry
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

    verified = installation.run("audit", "verify")

    assert (first.returncode, weak.returncode) == (0, 1), first.stderr
    assert "whole: 2 entries" in verified.stdout
    assert "admin (every project)" in first.stdout
    assert again.returncode == odd.returncode == local.returncode == 1
    assert "too short" in weak.stderr
    assert issued.returncode == 0
    assert issued.stdout.strip().startswith("sendit_")
    assert len(issued.stdout.split()) == 1
    assert "maria" in listed.stdout
    assert GOOD not in "".join(one.stdout + one.stderr for one in (first, again, weak, listed))


def test_a_password_that_nobody_types_is_asked_for_in_words(installation: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sendit", "user", "add", "maria", "--role", "admin"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # without a terminal
        cwd=installation.root,
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "--password-stdin" in done.stderr
    assert "EOFError" not in done.stderr


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


@pytest.mark.django_db(transaction=True)
def test_what_is_done_to_accounts_and_tokens_stands_in_the_audit_log(
    in_this_process: Configuration,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    password = ["--password-stdin"]

    monkeypatch.setattr("sys.stdin", io.StringIO(f"{GOOD}\n{GOOD}-2\n"))
    call_command("user", "add", "maria", "--role", "viewer", "--project", "demo", *password)
    call_command("user", "role", "maria", "--grant", "operator", "--project", "demo")
    call_command("user", "password", "maria", *password)
    call_command("user", "disable", "maria")
    call_command("user", "unlock", "maria")
    call_command("token", "issue", "maria", "--name", "for the dashboard", "--scope", "act")
    number = ApiToken.objects.get().pk
    call_command("token", "revoke", str(number))
    for words in (
        ["user", "role", "maria", "--revoke", "admin"],
        ["token", "revoke", str(number)],
        ["user", "add", "maria", *password],
    ):
        with pytest.raises(UsageError):
            call_command(*words)

    log = list(AuditEntry.objects.order_by("number"))
    assert [(entry.actor, entry.action, entry.subject) for entry in log] == [
        (me, "user added", "maria"),
        (me, "roles changed", "maria"),
        (me, "password changed", "maria"),
        (me, "user disabled", "maria"),
        (me, "user unlocked", "maria"),
        (me, "API token issued", f"token {number} of maria"),
        (me, "API token revoked", f"token {number} of maria"),
    ]
    assert log[0].details == {"roles": ["viewer"], "project": "demo"}
    assert log[5].details["scopes"] == ["act"]
    assert audit.verify(head_folder=in_this_process.settings.keys.site_file.parent) == 7
    text = next(word for word in capsys.readouterr().out.split() if word.startswith("sendit_"))
    everything = str([(entry.subject, entry.details, entry.reason) for entry in log])
    assert GOOD not in everything
    assert text not in everything


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_this_process")
def test_roles_and_passwords_of_a_provider_are_not_given_here() -> None:
    account_of("https://login.example.org", "1", name="maria")

    for words in (["role", "maria", "--grant", "admin"], ["password", "maria"]):
        with pytest.raises(UsageError, match="provider"):
            call_command("user", *words)

    assert not Grant.objects.exists()
    assert not AuditEntry.objects.exists()
