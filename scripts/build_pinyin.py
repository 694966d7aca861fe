"""Rebuild ``pinyin.txt``: how the common Han characters are read in Mandarin.

Characters of GB 2312 and of the first level of Big5, by syllable; of several readings the first.
They come from the table of the PyPI package ``pypinyin`` (MIT), which is made from the Unihan
database.  Readings that only names have are written in ``romanisations.toml``.

Run with ``uv run --no-project --with pypinyin scripts/build_pinyin.py``.
"""

import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from pypinyin.pinyin_dict import pinyin_dict

DATA = Path(__file__).parent.parent / "src" / "sendit" / "deid" / "data"


def characters() -> Iterator[str]:
    """Yield the characters of both standards, in the order of their codes."""
    ranges = (("gb2312", range(0xB0, 0xF8)), ("big5", range(0xA4, 0xC7)))
    for codec, rows in ranges:
        for row in rows:
            for cell in (*range(0x40, 0x7F), *range(0xA1, 0xFF)):
                try:
                    character = bytes((row, cell)).decode(codec)
                except UnicodeDecodeError:
                    continue
                if "\u4e00" <= character <= "\u9fff":
                    yield character


def syllable(reading: str) -> str:
    """Return a reading without its tone."""
    parts = unicodedata.normalize("NFD", reading)
    return "".join(part for part in parts if part.isascii() and part.isalpha())


def main() -> None:
    """Write the table."""
    by_syllable: dict[str, list[str]] = defaultdict(list)
    for character in dict.fromkeys(characters()):
        readings = pinyin_dict.get(ord(character), "")
        if sound := syllable(readings.split(",")[0]):
            by_syllable[sound].append(character)
    header = (
        f"# Han characters by their first reading (pypinyin {version('pypinyin')}, MIT);"
        " made by scripts/build_pinyin.py\n"
    )
    lines = [f"{sound} {''.join(found)}" for sound, found in sorted(by_syllable.items())]
    (DATA / "pinyin.txt").write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{sum(map(len, by_syllable.values()))} characters\n")


if __name__ == "__main__":
    main()
