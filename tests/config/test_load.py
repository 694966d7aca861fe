from pathlib import Path

import pytest

from sendit.config import load, load_project, make_default_folders
from sendit.errors import ConfigurationInvalid, UsageError
from tests.config.conftest import Installation


def test_without_a_file_the_embedded_default_holds(tmp_path: Path) -> None:
    configuration = load(None, environ={}, cwd=tmp_path)

    project = configuration.projects["default"]
    assert configuration.source is None
    assert configuration.settings.work_dir == tmp_path / "sendit-data"
    assert configuration.settings.inboxes[0].path == tmp_path / "sendit-data/inbox"
    assert [target.kind for target in project.targets] == ["folder"]
    assert project.deid.defacing == "off"
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_default_makes_its_inbox_when_asked(tmp_path: Path) -> None:
    configuration = load(None, environ={}, cwd=tmp_path)

    make_default_folders(configuration)

    assert [path.name for path in (tmp_path / "sendit-data").iterdir()] == ["inbox"]


def test_a_configured_installation_is_given_no_folders(installation: Installation) -> None:
    configuration = installation.load()

    make_default_folders(configuration)

    assert not (installation.root / "sendit-data").exists()


def test_relative_paths_count_from_their_own_file(installation: Installation) -> None:
    configuration = installation.load()

    root = installation.root
    settings = configuration.settings
    assert configuration.source == root / "sendit.toml"
    assert settings.inboxes[0].path == root / "inbox"
    assert settings.database.sqlite_file == root / "sendit-data/sendit.sqlite3"
    assert settings.keys.site_file == root / "sendit-data/keys/site.key"
    assert configuration.projects["irb-1"].snapshot()["targets"][0]["path"] == str(root / "out")


def test_what_lies_in_work_dir_follows_it(installation: Installation) -> None:
    settings = installation.load({"SENDIT_WORK_DIR": "/srv/sendit"}).settings

    assert settings.database.sqlite_file == Path("/srv/sendit/sendit.sqlite3")
    assert settings.keys.field_file == Path("/srv/sendit/keys/field.key")


@pytest.mark.parametrize("named_by", ["option", "environment"])
def test_a_named_file_is_read(installation: Installation, named_by: str, tmp_path: Path) -> None:
    path = installation.root / "sendit.toml"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    configuration = load(
        path if named_by == "option" else None,
        environ={} if named_by == "option" else {"SENDIT_CONFIG": str(path)},
        cwd=elsewhere,
    )

    assert configuration.source == path


@pytest.mark.parametrize("environ", [{}, {"SENDIT_CONFIG": "missing.toml"}])
def test_a_named_file_that_is_not_there_is_wrong_usage(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match=r"missing\.toml does not exist"):
        load(None if environ else Path("missing.toml"), environ=environ, cwd=tmp_path)


def test_every_problem_of_every_file_is_told_at_once(installation: Installation) -> None:
    installation.write(
        "sendit.toml",
        """
        mode = "poool"
        colour = "red"
        [limits]
        batches_at_onec = 3
        min_free_disk = "2 parsecs"
        [[inboxes]]
        path = "nowhere"
        project = "irb-2"
        """,
    )
    installation.write(
        "projects/irb-1.toml",
        """
        sned = "auto"
        [accept]
        modalities = ["ct"]
        [identity]
        kind = "keyd"
        [deid]
        options = ["retain-uid"]
        [[targets]]
        kind = "folder"
        pth = "out"
        """,
    )
    installation.write("projects/broken.toml", "title = \n")

    problems = installation.problems({"SENDIT_LOG_LEVLE": "info"})

    expected = [
        'environment: SENDIT_LOG_LEVLE: is not known; did you mean "SENDIT_LOG_LEVEL"?',
        "projects/broken.toml: is not TOML: ",
        "projects/irb-1.toml: accept.modalities[1]: is not a modality; allowed: ",
        'projects/irb-1.toml: deid.options[1]: "retain-uid" is not known; did you mean',
        'projects/irb-1.toml: identity.kind: "keyd" is not known; did you mean "keyed"? allowed: ',
        'projects/irb-1.toml: sned: is not known; did you mean "send"? allowed: ',
        "projects/irb-1.toml: targets[1].path: is missing",
        'projects/irb-1.toml: targets[1].pth: is not known; did you mean "path"? allowed: ',
        "sendit.toml: colour: is not known; allowed: ",
        f"sendit.toml: inboxes[1].path: {installation.root}/nowhere is not a folder; make it",
        'sendit.toml: inboxes[1].project: "irb-2" is not known; did you mean "irb-1"? allowed: ',
        'sendit.toml: limits.batches_at_onec: is not known; did you mean "batches_at_once"?',
        "sendit.toml: limits.min_free_disk: is not a size (unknown unit); allowed: ",
        'sendit.toml: mode: "poool" is not known; did you mean "pool"? allowed: ',
    ]
    assert [p[: len(e)] for p, e in zip(problems, expected, strict=True)] == expected


def test_a_file_that_is_not_utf8_is_named(installation: Installation) -> None:
    (installation.root / "projects/irb-1.toml").write_bytes(b'title = "\xff"\n')

    assert "projects/irb-1.toml: is not UTF-8; save it as UTF-8" in installation.problems()


def test_a_main_file_that_cannot_be_parsed_is_the_only_problem(installation: Installation) -> None:
    installation.write("sendit.toml", "[[inboxes]\n")

    [problem] = installation.problems()

    assert problem.startswith("sendit.toml: is not TOML: ")


def test_a_project_that_cannot_be_read_is_not_also_unknown(installation: Installation) -> None:
    installation.write("projects/irb-1.toml", "title = \n")

    [problem] = installation.problems()

    assert problem.startswith("projects/irb-1.toml: is not TOML: ")


def test_a_project_that_is_no_file_is_named(installation: Installation) -> None:
    (installation.root / "projects/irb-2.toml").mkdir()

    assert installation.problems() == ["projects/irb-2.toml: cannot be read (Is a directory)"]


def test_a_project_file_is_read_by_itself(installation: Installation) -> None:
    project = load_project(installation.root / "projects/irb-1.toml")

    assert project.name == "irb-1"
    assert project == installation.load().projects["irb-1"]


def test_a_project_file_by_itself_tells_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "irb-1.toml"
    path.write_text('sned = "auto"\n[retention]\noriginals = "soon"\n')

    with pytest.raises(ConfigurationInvalid) as refusal:
        load_project(path)

    assert len(str(refusal.value).splitlines()) == 2


def test_a_missing_project_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_project(tmp_path / "irb-1.toml")


IMPOSSIBLE = {"NUL": ("in\\u0000box", "NUL"), "nobody": ("~nobody-of-that-name/x", "no user")}


@pytest.mark.parametrize(("path", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
@pytest.mark.parametrize("key", ["work_dir", "projects_dir", "inboxes[1].path"])
def test_a_path_that_cannot_be_is_refused_by_its_key(
    installation: Installation, key: str, path: str, said: str
) -> None:
    text = f'[[inboxes]]\npath = "{path}"\nproject = "irb-1"\n'
    if not key.startswith("inboxes"):
        text = f'{key} = "{path}"\n{text.replace(path, "inbox")}'
    (installation.root / "sendit.toml").write_text(text)

    with pytest.raises(ConfigurationInvalid) as refused:
        installation.load()

    assert f"sendit.toml: {key}: " in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(("path", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_so_is_one_of_a_project_and_one_on_the_command_line(
    installation: Installation, path: str, said: str
) -> None:
    project = installation.root / "projects" / "irb-1.toml"
    text = project.read_text()
    text += f'[[targets]]\nname = "other"\nkind = "folder"\npath = "{path}"\n'
    project.write_text(text)

    with pytest.raises(ConfigurationInvalid, match=said):
        installation.load()
    with pytest.raises(UsageError, match=said):
        load(Path(path.replace("\\u0000", "\0")), environ={}, cwd=installation.root)


def test_site_rules_among_the_projects_are_told_to_lie_elsewhere(
    installation: Installation,
) -> None:
    installation.write("projects/knee.toml", 'release = ["FACE"]\n[[rule]]\ndo = "keep"\n')

    [problem] = installation.problems()

    assert problem.startswith("projects/knee.toml: holds site rules")
    assert "another folder" in problem
