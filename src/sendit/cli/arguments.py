"""Arguments that several commands take, and their types."""

import argparse
from pathlib import Path


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes, for those that run without Django."""
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say more, where there is more to say"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="the configuration; else SENDIT_CONFIG, ./sendit.toml, or the default",
    )


def positive(text: str) -> int:
    """Return a number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 1')
    return int(text)
