"""Send a package, and have it proven if asked, in a process of its own; print its peak of memory.

``python -m tests.storage.sending KIND OPTIONS FOLDER [--prove]``; the folder has the
``manifest.json`` that ``write_sparse_package`` and ``write_noise_package`` write.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from benchmarks.deliver import read_package
from benchmarks.measure import peak_bytes
from sendit.storage.registry import build
from tests.support.make_study import make_instance, write_instance

BLOCK = bytes(1 << 20)


def main() -> None:
    """Do as the command line says."""
    kind, options, folder, *prove = sys.argv[1:]
    package = read_package(Path(folder))
    target = build(kind, json.loads(options), base=Path.cwd())
    receipt = target.send(package)
    if prove:
        target.verify(package, receipt)
    print(peak_bytes())


def write_sparse_package(folder: Path, *, n_instances: int, size: int) -> Path:
    """Write instances whose pixels are holes: they are long and need no room on the disk."""
    rows = []
    for number in range(1, n_instances + 1):
        ds = make_instance(seed="large", number=number)
        name = f"P/{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}/{ds.SOPInstanceUID}.dcm"
        ds.PixelData = b""
        path = write_instance(folder / name, ds)
        head = path.read_bytes()
        assert head.endswith(b"\xe0\x7f\x10\x00OW\0\0\0\0\0\0")
        rest = size - len(head)
        path.write_bytes(head[:-4] + rest.to_bytes(4, "little"))
        with path.open("r+b") as stream:
            stream.truncate(size)
        digest = hashlib.sha256(head[:-4] + rest.to_bytes(4, "little"))
        for start in range(0, rest, len(BLOCK)):
            digest.update(BLOCK[: rest - start])
        uid = str(ds.SOPInstanceUID)
        rows.append(("P", str(ds.StudyInstanceUID), uid, name, digest.hexdigest(), size))
    (folder / "manifest.json").write_text(json.dumps(rows))
    return folder


def write_noise_package(folder: Path, *, n_instances: int, size: int) -> Path:
    """Write instances that cannot be packed; they are one file under many names."""
    noise = folder / "noise"
    noise.write_bytes(os.urandom(size))
    digest = hashlib.sha256(noise.read_bytes()).hexdigest()
    (folder / "P/2.25.1/2.25.2").mkdir(parents=True)
    rows = []
    for number in range(n_instances):
        uid = f"2.25.3{number:06}"
        name = f"P/2.25.1/2.25.2/{uid}.dcm"
        (folder / name).hardlink_to(noise)
        rows.append(("P", "2.25.1", uid, name, digest, size))
    (folder / "manifest.json").write_text(json.dumps(rows))
    return folder


if __name__ == "__main__":
    main()
