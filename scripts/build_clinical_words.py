"""Rebuild ``clinical_words.txt``: the words of the standard's own terms.

Long words in which a short name may stand by chance (Long in *longitudinal*, Anna in *annalen*)
are recognised by this list.  It is made of the attribute names of PS3.6 and the code meanings
of PS3.16 as pydicom ships them, and of the words in ``vocabulary.toml``.

Run with ``python scripts/build_clinical_words.py``; it prints how many words there are.
"""

import re
import sys
import tomllib
from pathlib import Path

import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.sr._concepts_dict import concepts

DATA = Path(__file__).parent.parent / "src" / "sendit" / "deid" / "data"
SHORTEST = 5


def words() -> set[str]:
    """Return every word of at least five letters, in lower case."""
    found: set[str] = set()
    for entry in DicomDictionary.values():
        found.update(re.findall(r"[A-Z]?[a-z]+|[A-Z]+", f"{entry[2]} {entry[4]}"))
    for scheme in concepts.values():
        for keyword in scheme:
            found.update(re.findall(r"[A-Z][a-z]+", keyword))
    vocabulary = tomllib.loads((DATA / "vocabulary.toml").read_text("utf-8"))
    for section in ("clinical", "generic", "phrases", "heads", "methods"):
        found.update(re.findall(r"[a-z]+", vocabulary[section]))
    found.update(vocabulary["english"].split())
    return {word.lower() for word in found if len(word) >= SHORTEST and word.isascii()}


def main() -> None:
    """Write the list."""
    found = sorted(words())
    header = (
        f"# Words of PS3.6 attribute names and PS3.16 code meanings (pydicom {pydicom.__version__})"
        " and of vocabulary.toml; made by scripts/build_clinical_words.py\n"
    )
    (DATA / "clinical_words.txt").write_text(header + "\n".join(found) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(found)} words\n")


if __name__ == "__main__":
    main()
