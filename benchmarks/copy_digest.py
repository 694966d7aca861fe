"""Copy a folder and digest what is written: the least that any engine must do with the bytes.

Read once, written once, SHA-256 in the same pass, by one thread; nothing is looked at.
"""

import hashlib
import sys
from pathlib import Path

BLOCK = 1 << 19


def main(corpus: Path, out: Path) -> None:
    """Copy every file of a folder, and digest it on the way."""
    buffer = memoryview(bytearray(BLOCK))
    for source in sorted(path for path in corpus.rglob("*") if path.is_file()):
        copy = out / source.relative_to(corpus)
        copy.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with source.open("rb", buffering=0) as reader, copy.open("xb", buffering=0) as writer:
            while count := reader.readinto(buffer):
                digest.update(buffer[:count])
                writer.write(buffer[:count])
        digest.hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
