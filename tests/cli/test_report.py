"""``sendit report``, as a person and a program call it."""

import json
from pathlib import Path

from tests.support.installation import Installation


def test_a_report_is_refused_in_words_where_no_folder_is(installation: Installation) -> None:
    refused = installation.run("report", "--output", "nowhere/page.html")

    assert refused.returncode == 1
    assert refused.stderr == "nowhere is not a folder; make it, or name another.\n"


def test_a_report_can_be_made_after_clean_up(installation: Installation) -> None:
    assert json.loads(installation.run("report", "--json").stdout) == []
    installation.add_study("ACC-CANARY-1", n_series=2, n_images=3)
    assert installation.run("run", "--once").returncode == 0

    page = installation.run("report", "1", "--output", "page.html")
    document = installation.run("report", "ACC-CANARY-1", "--json")
    every = installation.run("report")

    assert (page.returncode, document.returncode, every.returncode) == (0, 0, 0), page.stderr
    assert page.stdout.strip() == "page.html"
    text = (installation.root / "page.html").read_text()
    assert text.count("data:image/png") == 2
    assert "CANARY" not in text + document.stdout
    assert "Sandpiper" not in text + document.stdout
    told = json.loads(document.stdout)
    assert told["totals"]["written"] == 6
    assert sum(told["actions"].values()) > 0
    assert sum(told["actions"].values()) == sum(one["count"] for one in told["elements"])
    assert [one["source"] for one in told["images"]] == [1, 2, 3, 4, 5, 6]
    assert all((installation.out / one["file"]).is_file() for one in told["images"])
    default = Path(every.stdout.strip())
    assert default == installation.work_dir / "reports" / "all.html"
    assert default.stat().st_mode & 0o777 == 0o600
