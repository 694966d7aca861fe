"""One study from the inbox to a real Orthanc, by each way that there is, and back again."""

from collections.abc import Callable

import pytest

from sendit.storage.outgoing import data_start
from sendit.terms import Stage
from tests.support.dicom_peers import OrthancServer
from tests.support.installation import PROJECT, Installation

WAYS: dict[str, Callable[[OrthancServer], str]] = {
    "dicom": lambda server: (
        f'host = "127.0.0.1"\nport = {server.dicom_port}\ncalled_ae = "ORTHANC"\n'
        f'proof = "retrieve"\n'
    ),
    "dicomweb": lambda server: f'url = "{server.dicomweb}"',
    "orthanc": lambda server: f'url = "{server.url}"',
}


@pytest.mark.parametrize("kind", sorted(WAYS))
def test_study_arrives_in_orthanc_as_it_was_made(
    installation: Installation, orthanc: OrthancServer, kind: str
) -> None:
    project = PROJECT.split("[[targets]]", maxsplit=1)[0]
    installation.write_project(
        f'{project}[[targets]]\nname = "pacs"\nkind = "{kind}"\n{WAYS[kind](orthanc)}\n'
        '[retention]\nresults = "keep"\n'
    )
    installation.add_study("ACC1", n_series=2)

    done = installation.run("run", "--once", "--strict")

    assert done.returncode == 0, done.stderr
    assert [stage for stage in Stage if f"{stage} of batch 1 done" not in done.stderr] == []
    (batch,) = installation.status()
    assert batch["status"] == "DONE", batch
    assert [one["state"] for one in batch["deliveries"]] == ["verified"]
    results = sorted((installation.work_dir / "clean").rglob("*.dcm"))
    assert len(results) == 6
    # C-STORE carries the data set; preamble and meta group of a file are the receiver's.
    whole = kind != "dicom"
    assert content(orthanc.files(), whole=whole) == content(
        {path.stem: path.read_bytes() for path in results}, whole=whole
    )


def content(files: dict[str, bytes], *, whole: bool) -> dict[str, bytes]:
    return {uid: file if whole else file[data_start(file) :] for uid, file in files.items()}
