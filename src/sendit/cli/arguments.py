"""Types of arguments that several commands take."""

import argparse


def positive(text: str) -> int:
    """Return a number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 1')
    return int(text)
