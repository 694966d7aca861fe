"""Real receivers of DICOM on loopback: Orthanc with its DICOMweb plugin, DCMTK's servers.

Each is a process of its own on free ports, with folders of its own, ended by its pid.  Also
used by the benchmarks; the fixtures are in ``tests/support/servers.py``.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.system import find_program

START_SECONDS = 20.0
REFUSING = """
function ReceivedInstanceFilter(dicom, origin, info)
  local flag = io.open('{flag}', 'r')
  if flag == nil then return true end
  local refused = flag:read('*a')
  flag:close()
  return dicom['Modality'] ~= refused
end
"""


@dataclass(frozen=True, slots=True)
class OrthancServer:
    """A running Orthanc."""

    url: str
    dicom_port: int
    storage: Path
    """Where it keeps the files, each under a name of its own."""
    pid: int
    report_port: int
    """Where it believes us to listen for its reports on storage commitment, as SENDIT."""

    @property
    def dicomweb(self) -> str:
        return f"{self.url}/dicom-web"

    def get(self, path: str) -> bytes:
        """Return the answer to a question of its REST interface."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read()  # type: ignore[no-any-return]

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def post(self, path: str, body: bytes) -> Any:
        asked = urllib.request.Request(self.url + path, data=body, method="POST")
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.loads(answer.read())

    def delete(self, path: str) -> None:
        asked = urllib.request.Request(self.url + path, method="DELETE")
        urllib.request.urlopen(asked, timeout=30).close()

    def clear(self) -> None:
        """Remove everything that it holds."""
        for patient in self.json("/patients"):
            self.delete(f"/patients/{patient}")

    def instances(self) -> list[tuple[str, str]]:
        """Return SOP Instance UID and Orthanc's own id of everything that it holds."""
        listed = self.json("/instances?expand")
        return [(one["MainDicomTags"]["SOPInstanceUID"], one["ID"]) for one in listed]

    def files(self) -> dict[str, bytes]:
        """Return what it holds, by SOP Instance UID."""
        return {uid: self.get(f"/instances/{one}/file") for uid, one in self.instances()}

    @contextmanager
    def refusing(self, modality: str) -> Iterator[None]:
        """Let it refuse the instances of one modality, as a script of a site may."""
        flag = self.storage.with_name("refused")
        flag.write_text(modality)
        try:
            yield
        finally:
            flag.unlink()

    def stored_file(self, sop_instance_uid: str) -> Path:
        """Return where on its disk the file of an instance lies."""
        (found,) = self.post("/tools/lookup", sop_instance_uid.encode())
        content = self.get(f"/instances/{found['ID']}/file")
        (path,) = (p for p in self.storage.glob("??/??/*") if p.read_bytes() == content)
        return path


def have(*names: str) -> bool:
    """Say whether programs, and plug-ins of programs, are installed."""
    return None not in map(find_program, names)


@contextmanager
def running_orthanc(
    folder: Path, *, environ: Mapping[str, str] | None = None, **configuration: object
) -> Iterator[OrthancServer]:
    """Start an Orthanc with its defaults, and further ``configuration``; stop it afterwards."""
    http_port, dicom_port, report_port = free_ports(3)
    storage = folder / "storage"
    storage.mkdir(parents=True)
    document = {
        "StorageDirectory": str(storage),
        "IndexDirectory": str(folder),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "Plugins": [find_program("libOrthancDicomWeb.so")],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "DicomModalities": {"sendit": ["SENDIT", "127.0.0.1", report_port]},
        "StorageCommitmentReportsSize": 100,
        "LuaScripts": [str(folder / "filter.lua")],
        # What it has just stored it would otherwise answer from memory, not from its disk.
        "MaximumStorageCacheSize": 0,
        **configuration,
    }
    (folder / "filter.lua").write_text(REFUSING.format(flag=folder / "refused"))
    (folder / "orthanc.json").write_text(json.dumps(document))
    command = [find_program("Orthanc") or "Orthanc", str(folder / "orthanc.json")]
    with running(command, folder=folder, ports=(http_port, dicom_port), environ=environ) as pid:
        url = f"http://127.0.0.1:{http_port}"
        yield OrthancServer(url, dicom_port, storage, pid, report_port)


@contextmanager
def running(
    command: Sequence[str],
    *,
    folder: Path,
    ports: Sequence[int],
    environ: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a server until the block ends; yield its pid once it listens on every port."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(environ or {})}
        )
    try:
        for port in ports:
            _wait_for(port, process, folder / "log")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody listens on just now, no two alike."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended: {log.read_text(errors='replace')[-2000:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")
