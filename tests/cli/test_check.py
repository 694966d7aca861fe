"""``sendit check``: everything that the configuration names is tried."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from tests.support.installation import Installation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_this_process")]


def test_check_tries_every_target(installation: Installation) -> None:
    out = StringIO()

    call_command("check", stdout=out)

    said = out.getvalue()

    assert "ok      project demo: target out" in said
    assert "ok      project demo: identity service keyed" in said
    assert installation.delivered() == []


def test_check_tells_what_does_not_work(installation: Installation) -> None:
    installation.out.rmdir()
    installation.out.write_text("a file stands in the way")
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("check", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert ended.value.code == 1
    assert not told["ok"]
    assert len(told["problems"]) == 1
    assert told["problems"][0].startswith("project demo: target out: ")
    assert [check["what"] for check in told["checks"] if not check["ok"]] == [
        "project demo: target out"
    ]
