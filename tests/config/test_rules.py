from pathlib import Path

import pytest

from tests.config.conftest import Installation
from tests.support.small_disk import Remount

INBOX = '[[inboxes]]\npath = "inbox"\nproject = "irb-1"\n'
TARGET = '[[targets]]\nkind = "folder"\npath = "../out"\n'
OIDC = (
    '[oidc]\nissuer = "https://login.example.org"\nclient_id = "sendit"\nclient_secret = "s"\n'
    '[[oidc.roles]]\ngroup = "g"\nrole = "viewer"\nproject = "irb-1"\n'
)


def _keys(problems: list[str]) -> list[str]:
    return [problem.split(": ")[1] for problem in problems]


def test_unknown_key_hides_nothing_else_that_is_wrong(installation: Installation) -> None:
    installation.write(
        "sendit.toml",
        '[[inboxes]]\npath = "inbox"\nproject = "irb-1"\nnonsense = 1\n'
        '[[inboxes]]\npath = "missing"\nproject = "irb-1"\n'
        '[[inboxes]]\npath = "inbox/nested"\nproject = "irb-1"\n',
    )
    (installation.root / "inbox" / "nested").mkdir()
    installation.write(
        "projects/irb-1.toml", '[deid]\noptions = ["nothing"]\nnonsense = 1\n' + TARGET
    )

    assert sorted(set(_keys(installation.problems()))) == [
        "deid.nonsense",
        "deid.options[1]",
        "inboxes[1].nonsense",
        "inboxes[2].path",
        "inboxes[3].path",
    ]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('mode = "celery"', ["broker.url"]),
        ('mode = "inline"', []),
        ('[broker]\nurl = "redis://localhost/0"', ["broker.url"]),
        ('mode = "celery"\n[broker]\nurl = "redis://localhost/0"', []),
        ('mode = "celery"\n[broker]\nurl = "amqp://localhost"', ["broker.url"]),
        ('mode = "celery"\n[broker]\nurl = "redis://:CANARY@h:six/0"', ["broker.url"]),
        ('mode = "celery"\n[broker]\nurl = "redis://:CAN/ARY@h/0"', ["broker.url"]),
        ('mode = "celery"\n[broker]\nurl = "rediss://:CANARY@h:6380/first"', ["broker.url"]),
        ('mode = "celery"\n[broker]\nurl = "redis://h1:1/0;redis://h2:2/0"', []),
        ('mode = "celery"\n[broker]\nurl = "redis+socket:///run/redis.sock"', []),
        ('[web]\nhost = "0.0.0.0"', ["web.allowed_hosts", "web.secret_key"]),
        ('[web]\nhost = "127.0.0.2"', []),
        ('[web]\nhost = "::1"', []),
        ('[web]\nhost = "localhost"', []),
        ('[web]\nhost = "pacs.example"', ["web.allowed_hosts", "web.secret_key"]),
        (
            '[web]\nhost = "0.0.0.0"\nallowed_hosts = ["a"]\nsecret_key = "short"',
            ["web.secret_key"],
        ),
        ("[web]\nport = 99999", ["web.port"]),
        (OIDC, []),
        (OIDC.replace("https", "http"), ["oidc.issuer"]),
        (OIDC.replace('client_secret = "s"\n', ""), ["oidc.client_secret"]),
        (OIDC.partition("[[")[0], ["oidc.roles"]),
        (OIDC.replace("viewer", "owner"), ["oidc.roles[1].role"]),
        (OIDC.replace("irb-1", "irb-2"), ["oidc.roles[1].project"]),
        (OIDC.replace("[[", 'scopes = ["profile"]\n[[', 1), ["oidc.scopes"]),
        (OIDC.replace("[[", 'ca_file = "missing"\n[[', 1), ["oidc.ca_file"]),
        (
            '[oidc]\nlabel = "Sign in"',
            ["oidc.client_id", "oidc.client_secret", "oidc.issuer", "oidc.roles"],
        ),
        ('[web]\nallowed_hosts = ["a"]\n' + OIDC, ["oidc.pages_url"]),
        ('[database]\nurl = "mysql://x"', ["database.url"]),
        ('[database]\nurl = "sqlite:///"', ["database.url"]),
        ('[database]\nurl = "postgresql://u:p@h:99999/x"', ["database.url"]),
        ('[database]\nurl = "postgresql://u:half:of@it@h/x"', []),
        ('[database]\nurl = "postgresql://u:p@h:half/x"', ["database.url"]),
        ('[database]\nurl = "postgresql://u:p@h/n"', []),
        ('[workers]\nlease = "0.5 s"', ["workers.lease"]),
        ("[workers]\nprocesses = 0", ["workers.processes"]),
        ('[workers]\nprocesses = "2"', ["workers.processes"]),
        ("[workers]\nprocesses = true", ["workers.processes"]),
        ("[limits]\nmin_free_disk = 5", ["limits.min_free_disk"]),
        ('[ingest]\nsettle = "0 s"', ["ingest.settle"]),
        ('[ingest]\nerr_retention = "remove"', ["ingest.err_retention"]),
        ('[ingest]\nerr_retention = "30 days"', []),
        ('[keys]\nsite_file = "one.key"\nfield_file = "one.key"', ["keys.field_file"]),
        ("limits = 3", ["limits"]),
        ("[scp]\nport = 104", ["scp"]),
    ],
)
def test_settings_that_do_not_go_together_are_named(
    installation: Installation, text: str, keys: list[str]
) -> None:
    installation.write("sendit.toml", f"{text}\n{INBOX}")

    assert _keys(installation.problems()) == keys


@pytest.mark.parametrize(
    ("first", "second"),
    [("inbox", "inbox"), ("inbox", "inbox/deep"), ("inbox/deep", "inbox"), ("inbox", "link")],
)
def test_inboxes_may_not_nest(installation: Installation, first: str, second: str) -> None:
    (installation.root / "inbox/deep").mkdir()
    (installation.root / "link").symlink_to("inbox/deep")
    installation.write(
        "sendit.toml",
        "".join(f'[[inboxes]]\npath = "{path}"\nproject = "irb-1"\n' for path in (first, second)),
    )

    assert _keys(installation.problems()) == ["inboxes[2].path"]


def test_an_inbox_may_not_hold_the_working_folder(installation: Installation) -> None:
    installation.write("sendit.toml", f'work_dir = "inbox/work"\n{INBOX}')

    assert "inboxes[1].path" in _keys(installation.problems())


def test_a_missing_inbox_is_named(installation: Installation) -> None:
    (installation.root / "inbox").rmdir()

    [problem] = installation.load().unusable_inboxes

    assert problem.endswith("inbox is not a folder; make it, or mount its volume")


def test_an_inbox_that_cannot_be_written_is_named(
    installation: Installation, small_disk: Path, remount: Remount
) -> None:
    installation.write("sendit.toml", f'[[inboxes]]\npath = "{small_disk}"\nproject = "irb-1"\n')
    remount("ro")

    [problem] = installation.load().unusable_inboxes

    assert problem.startswith("sendit.toml: inboxes[1].path: ")
    assert "cannot be written by this user; originals are moved out of it" in problem


@pytest.mark.parametrize("place", ["inbox/out", "sendit-data/clean", "sendit-data/phi/x", "."])
def test_a_target_may_not_lie_where_files_are_moved_and_removed(
    installation: Installation, place: str
) -> None:
    path = installation.root / place
    installation.write("projects/irb-1.toml", f'[[targets]]\nkind = "folder"\npath = "{path}"\n')

    assert set(_keys(installation.problems())) == {"targets[1].path"}


def test_sqlite_is_refused_on_a_network_file_system(installation: Installation) -> None:
    mounts = "30 21 0:26 / / rw - nfs4 server:/export rw\n"

    [problem] = installation.problems(mounts=mounts)

    assert problem.startswith("sendit.toml: database.url: SQLite does not work on a network")


def test_the_file_of_a_project_that_is_missing_is_named(installation: Installation) -> None:
    (installation.root / "projects/irb-1.toml").unlink()

    [problem] = installation.problems()

    assert problem.startswith(
        'sendit.toml: inboxes[1].project: "irb-1" is not known; allowed: none'
    )
    assert problem.endswith(f"its file would be {installation.root}/projects/irb-1.toml")


def test_a_projects_folder_that_is_missing_is_named(installation: Installation) -> None:
    installation.write("sendit.toml", f'projects_dir = "protocols"\n{INBOX}')

    assert _keys(installation.problems()) == ["inboxes[1].project", "projects_dir"]


def test_an_inbox_has_what_it_does_not_say_from_ingest(installation: Installation) -> None:
    installation.write(
        "sendit.toml", f'[ingest]\nsettle = "5 s"\nscan = "1 s"\n{INBOX}settle = "1 min"\n'
    )

    settings = installation.load().settings

    ingest = settings.ingest_of(settings.inboxes[0])
    assert ingest.settle.total_seconds() == 60
    assert ingest.scan.total_seconds() == 1


def test_a_text_with_other_characters_is_told_in_our_words(installation: Installation) -> None:
    installation.write(
        "projects/irb-1.toml",
        '[[targets]]\nkind = "gcs"\nbucket = "research"\ncollection = "a/b"\n',
    )

    [problem] = installation.problems()

    assert "targets[1].collection: has characters that it may not have; allowed: ^[A-Z" in problem


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("anonymize = false\n" + TARGET, ["targets[1].accepts_identified"]),
        ("anonymize = false\n" + TARGET + "accepts_identified = true\n", []),
        ("anonymize = false\n", []),
        (TARGET + TARGET, ["targets[2].name"]),
        (TARGET + 'name = "identity"\n', ["targets[1].name"]),
        (TARGET + 'name = "Big Name"\n', ["targets[1].name"]),
        (TARGET + 'layout = "heap"\n', ["targets[1].layout"]),
        ('[[targets]]\npath = "out"\n', ["targets[1].kind", "targets[1].name"]),
        ('[[targets]]\nkind = "fax"\n', ["targets[1].kind"]),
        ('targets = "folder"\n', ["targets"]),
        ("targets = [3]\n", ["targets[1]"]),
        ("identity = 3\n", ["identity"]),
        ('[identity]\nkind = "rest"\n', ["identity.secrets_file", "identity.url"]),
        ('[identity]\nentity_field = "PatientIDD"\n', ["identity.entity_field"]),
        ("[identity]\nshift_days = [0, 0]\n", ["identity.shift_days"]),
        ('[identity]\noptions = "x"\n', ["identity.options"]),
        ('[accept]\nburned_in = "clean"\n', ["accept.burned_in"]),
        ('[accept]\nsop_classes = ["CT"]\n', ["accept.sop_classes[1]"]),
        ('[deid]\noptions = ["retain-longitudinal-full-dates"]\n', []),
        (
            '[deid]\npreset = "research"\noptions = ["retain-longitudinal-full-dates"]\n',
            ["deid.options"],
        ),
        ('[deid]\noptions = ["clean-pixel-data"]\n', ["deid.options"]),
        ('[deid]\npixels = "off"\n', ["deid.pixels"]),
        ('[deid]\npixels = "off"\npixels_off_reason = "CT without text"\n', []),
        ('[deid]\npixels = "clean"\n', ["deid.pixels"]),
        ('[deid]\npixels = "clear"\n', ["deid.pixels"]),
        ("[deid]\npixels = 3\n", ["deid.pixels"]),
        ('[deid]\npixels_off_reason = "x"\n[deid.pixels]\nUS = "off"\n', []),
        ('[deid]\npixels_off_reason = "x"\n[deid.pixels]\nus = "off"\n', ["deid.pixels"]),
        ('[deid.pixels]\nUS = "off"\n', ["deid.pixels"]),
        ('[deid.pixels]\nUS = "reject"\n', ["deid.pixels"]),
        ("[deid.pixels]\nUS = []\n", ["deid.pixels"]),
        ('[deid]\npixels_off_reason = "why"\n', ["deid.pixels_off_reason"]),
        ('[deid]\ndefacing = "off"\n', []),
        ('[deid]\ndefacing = "hold"\n', ["deid.defacing"]),
        ('[deid]\nrecipe = "gone.deid"\n', ["deid.recipe"]),
        ('[deid]\nrecipe = "irb-1.toml"\n', ["deid.recipe"]),
        ("[deid]\nrecipe = 3\n", ["deid.recipe"]),
        ('[delivery]\nsupersede = "new-generation"\nincomplete_series = "send-marked"\n', []),
        ('[delivery]\nsupersede = "both"\n', ["delivery.supersede"]),
        ('[requests]\nurl = "x"\n', ["requests"]),
        ('[retention]\noriginals = "7 days"\nresults = "keep"\n', []),
        ('[retention]\noriginals = "a while"\n', ["retention.originals"]),
        ('[retention]\nrows = "7 days"\npreviews = "remove"\n', []),
        ('name = "other"\n', ["name"]),
        ('title = ""\n', ["title"]),
        ("priority = 1.5\n", ["priority"]),
        ("anonymize = 1\n", ["anonymize"]),
    ],
)
def test_projects_that_do_not_go_together_are_named(
    installation: Installation, text: str, keys: list[str]
) -> None:
    installation.write("projects/irb-1.toml", text)

    problems = installation.problems()

    assert _keys(problems) == keys
    assert all(problem.startswith("projects/irb-1.toml: ") for problem in problems)


@pytest.mark.parametrize(
    ("name", "first", "rule"),
    [
        ("irb.deid", "FORMAT dicom\n%header\n", "REMOVE Foo\n"),
        ("irb.toml", "\n", "[[rule]]\nattribute = 'Foo'\ndo = 'remove'\n"),
    ],
)
def test_problems_of_site_rules_are_told_in_the_order_of_the_lines(
    installation: Installation, name: str, first: str, rule: str
) -> None:
    installation.write("projects/irb-1.toml", f'[deid]\nrecipe = "../{name}"\n')
    installation.write(name, first + rule * 12)

    lines = [int(problem.split(name)[1].split(":")[1]) for problem in installation.problems()]

    assert len(lines) == 12
    assert lines == sorted(lines)


def test_a_project_file_with_a_bad_name_is_named(installation: Installation) -> None:
    installation.write("projects/IRB 2.toml", "")

    [problem] = installation.problems()

    assert problem.startswith("projects/IRB 2.toml: name: is not a name; allowed: 1 to 63")


def test_no_secret_is_ever_shown(installation: Installation) -> None:
    installation.write(
        "sendit.toml",
        '[database]\nurl = "mysql://CANARY"\n[broker]\nurl = "CANARY"\n'
        f'[web]\nsecret_key = "CANARY"\n{INBOX}',
    )

    problems = installation.problems({"SENDIT_DATABASE_URL": "", "SENDIT_BROKER_URL": "xCANARY"})

    assert len(problems) == 4
    assert "CANARY" not in "".join(problems)


def test_paths_in_a_message_help_to_find_the_file(installation: Installation) -> None:
    installation.write("sendit.toml", 'mode = "x"\n' + INBOX)

    [problem] = installation.problems()

    assert problem.startswith("sendit.toml: mode: ")
    assert not Path(problem.split(":")[0]).is_absolute()


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ("", "own_key = true", "identity.own_key"),
        ("", "shift_days = [-30, -1]", "identity"),
        ("", "by_issuer = true", "identity"),
        ('same_patient = ["case", "spaces"]', 'same_patient = ["spaces"]', "identity"),
        ('kind = "ledger"', 'kind = "ledger"\nentity_source = "MRN"', "identity"),
        ('same_patient = ["case", "spaces"]', 'same_patient = ["spaces", "case"]', None),
        ('kind = "ledger"', 'kind = "ledger"\nshift_days = [-30, -1]', None),
    ],
)
def test_projects_of_one_namespace_name_its_patients_alike(
    installation: Installation, one: str, other: str, key: str | None
) -> None:
    identity = '[deid]\ndefacing = "off"\n[identity]\nnamespace = "trial"\n'
    installation.write("sendit.toml", INBOX)
    installation.write("projects/irb-1.toml", identity + one)
    installation.write("projects/irb-2.toml", identity + other)

    problems = installation.problems()

    assert [f"irb-2.toml: {key}: " in problem for problem in problems] == [True] * bool(key)
    assert all("project irb-1 of the same namespace" in problem for problem in problems)
