"""What lies in a folder, and a file that the engine refuses."""

import hashlib
from pathlib import Path


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def out_of_order(path: Path) -> Path:
    """Append an element that belongs further up; import reads the file, the engine does not."""
    late = bytes.fromhex("10002010") + b"SH" + (4).to_bytes(2, "little") + b"ABCD"
    path.write_bytes(path.read_bytes() + late)
    return path
