"""What ``sendit --help`` shows: every command with one line, read from its source.

The lines are the first of each command's ``help``, found without importing anything, so
the overview needs no configuration and is there at once.
"""

import ast
from pathlib import Path

COMMANDS = Path(__file__).parent / "management" / "commands"
WITHOUT_DJANGO = {
    "deid": "De-identify files or folders; needs no database.",
    "diff": "Show one instance before and after, on a terminal only.",
    "recipe": "Say what a recipe does to an attribute, and why.",
}
HEAD = """\
sendit takes medical images out of a hospital safely: in from a folder, de-identified,
delivered, verified, cleaned up.

usage: sendit COMMAND [options]        sendit COMMAND --help shows its options and an example

"""
TAIL = """
every command takes
  --config FILE     the configuration; else SENDIT_CONFIG, ./sendit.toml, or the default
  -v                say more
  --help            show its options and an example
"""


def overview() -> str:
    """Return the text."""
    lines = commands()
    width = max(map(len, lines))
    listed = "".join(f"  {name:{width}}  {lines[name]}\n" for name in sorted(lines))
    return f"{HEAD}commands\n{listed}{TAIL}"


def commands() -> dict[str, str]:
    """Return every command with its line."""
    return WITHOUT_DJANGO | {
        path.stem: summary(path) for path in COMMANDS.glob("*.py") if path.stem != "__init__"
    }


def summary(path: Path) -> str:
    """Return the first line of the ``help`` of a command's module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and [ast.unparse(to) for to in node.targets] == ["help"]:
            text: str = ast.literal_eval(node.value)
            return text.strip().partition("\n")[0]
    return ""
