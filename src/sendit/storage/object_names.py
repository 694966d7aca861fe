"""Check names of buckets and beginnings of keys, for the options of object stores."""

import re

from pydantic_core import PydanticCustomError

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]")
_PART = re.compile(r"[A-Za-z0-9._=+-]+")


def bucket_name(text: str) -> str:
    """Return a name that a bucket can have."""
    if not _BUCKET.fullmatch(text):
        raise PydanticCustomError(
            "bucket",
            "is not the name of a bucket; allowed: 3 to 222 of the characters A-Z a-z 0-9 . _ -, "
            "a letter or digit at both ends",
        )
    return text


def key_prefix(text: str) -> str:
    """Return what every key begins with, with a slash at its end; or nothing."""
    parts = [part for part in text.split("/") if part]
    if not all(_PART.fullmatch(part) and part.strip(".") for part in parts):
        raise PydanticCustomError("prefix", "holds other characters than A-Z a-z 0-9 ._=+-/")
    return "".join(f"{part}/" for part in parts)
