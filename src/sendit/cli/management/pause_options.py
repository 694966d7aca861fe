"""What ``pause`` and ``resume`` may name."""

import argparse

from django.core.management.base import CommandParser


def add_what(parser: CommandParser) -> None:
    """Add the two options; without one the node is meant."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--project", metavar="P", help="One project, by its name.")
    what.add_argument("--target", metavar="T", help="One target, by its name.")


def name_of(options: argparse.Namespace) -> str:
    """Return what is meant, for a sentence."""
    if options.project is not None:
        return f"Project {options.project}"
    if options.target is not None:
        return f"Target {options.target}"
    return "The node"


def subject_of(options: argparse.Namespace) -> str:
    """Return what is meant, for the audit log."""
    if options.project is not None:
        return f"project {options.project}"
    return "node" if options.target is None else f"target {options.target}"
