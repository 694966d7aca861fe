"""``sendit recipe explain [TAG]``: what a recipe does to an attribute, and why."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sendit.cli.arguments import add_common
from sendit.config.load import load_project
from sendit.deid import Recipe
from sendit.deid.explain import explain_recipe, explain_tag, parse_tag
from sendit.errors import UsageError

EXAMPLE = """\
examples:
  sendit recipe explain
  sendit recipe explain SeriesDescription --project projects/irb-41449.toml
  sendit recipe explain 0008,103E
"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    try:
        words = _parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    try:
        tag = None if words.tag is None else parse_tag(words.tag)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    recipe = Recipe.resolve() if words.project is None else load_project(words.project).recipe()
    sys.stdout.write(explain_recipe(recipe) if tag is None else explain_tag(recipe, tag))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sendit recipe",
        description="Say what a recipe does, and why.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="explain", required=True)
    explain = commands.add_parser(
        "explain",
        help="what happens to everything, or to one attribute",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument(
        "tag", metavar="TAG", nargs="?", help="keyword, 0010,0010 or (0010,0010); all if left out"
    )
    explain.add_argument(
        "--project", metavar="FILE", type=Path, help="project file; else the preset basic"
    )
    for one in (parser, explain):
        add_common(one)
    return parser
