"""The page of the commands is made from the commands."""

import argparse
from pathlib import Path

from django.core.management import load_command_class

from sendit.cli.overview import COMMANDS, WITHOUT_DJANGO

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"

HEAD = """\
# Commands

`sendit NAME`, `python -m sendit NAME` and `python manage.py NAME` are the same program. This
page is made from the commands by `tests/cli/test_reference.py`; each also says it itself:
`sendit NAME --help`.

Every command takes `--config FILE` (else `SENDIT_CONFIG`, `./sendit.toml`, or the embedded
default) and `-v` (say more). Results go to stdout, everything else to stderr. `BATCH` is the
number of a batch or its uid, the name of its folder; `#42` is always the number.

| exit code | |
|---|---|
| 0 | done, also when there was nothing to do |
| 1 | refused or failed; the message says why and what to do |
| 2 | wrong usage: an unknown command or option, or `--config` names no file |
| 130 | interrupted |
"""
SHARED = {"help", "config", "verbose"}


def page() -> str:
    """Return the page."""
    sections = {
        name: [f"## {name}", text, f"Its options: `sendit {name} --help`."]
        for name, text in WITHOUT_DJANGO.items()
    }
    for path in COMMANDS.glob("[a-z]*.py"):
        sections[path.stem] = section(path.stem)
    return "\n\n".join([HEAD.strip(), *("\n\n".join(sections[name]) for name in sorted(sections))])


def section(name: str) -> list[str]:
    """Return the paragraphs about one command."""
    command = load_command_class("sendit.cli", name)
    parser = command.create_parser("sendit", name)
    rows = [row for action in parser._actions for row in rows_of(action)]
    table = [["| | |", "|---|---|", *rows]] if rows else []
    return [
        f"## {name}",
        " ".join(command.help.split()),
        *("\n".join(lines) for lines in table),
        f"```console\n{command.example}\n```",  # type: ignore[attr-defined]
    ]


def rows_of(action: argparse.Action) -> list[str]:
    """Return the lines of a table that tell an argument or option, if it is the command's own."""
    if action.dest in SHARED or action.help == argparse.SUPPRESS:
        return []
    if isinstance(action, argparse._SubParsersAction):
        return [f"| `{choice.dest}` | {choice.help} |" for choice in action._choices_actions]
    word = " ".join(action.option_strings) or str(action.metavar)
    if action.option_strings and action.nargs != 0:
        word += f" {action.metavar}"
    return [f"| `{word}` | {' '.join((action.help or '').split())} |"]


def test_page_of_the_reference_shows_the_commands() -> None:
    text = page() + "\n"
    stale = not PAGE.is_file() or PAGE.read_text() != text
    if stale:
        PAGE.write_text(text)

    assert not stale, "docs/reference/commands.md was stale and is written anew; commit it"
