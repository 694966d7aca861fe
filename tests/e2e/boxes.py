"""Services of compose.yaml confined as it says, without an engine: by the kernel's namespaces.

Each has a root that cannot be written, the user, the volumes, the temporary file systems and
the secrets that compose.yaml names, and no others; commands, configuration and paths are as
shipped.  What is left out: networks, limits, and numbers of processes of its own.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.e2e.topology import ROOT, Topology
from tests.support.make_study import make_study

UID = 10001
OUR_USER = f"root:x:0:0::/root:/bin/sh\nsendit:x:{UID}:{UID}::/srv/sendit:/usr/sbin/nologin\n"
PROGRAM = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
"""Stands in for the image's own files."""


class Boxes(Topology):
    """A site whose services see only what compose.yaml gives them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.root / "work").rmdir()
        work = self.root / "volumes/work"
        for folder in (work, work / "clean", work / "previews"):  # as the Dockerfile makes them
            folder.mkdir(parents=True)
        work.chmod(0o700)
        (self.root / "box").mkdir()
        self.out.rmdir()  # the one who sends makes it
        for place in (work, *work.iterdir(), self.root / "out", *self._files("secrets", "inbox")):
            os.chown(place, UID, UID)

    def start(self, name: str, command: list[str] | None = None) -> None:
        words = command or self.services[name]["command"]
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self._boxed(name, words), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def asked(self, name: str, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command where a service runs, and return what it said."""
        return subprocess.run(
            self._boxed(name, command), capture_output=True, text=True, check=False
        )

    def healthy(self, name: str) -> bool:
        kind, *words = self.services[name]["healthcheck"]["test"]
        line = [self._here(word.replace("$$", "$")) for word in words]
        inside = ["nsenter", f"--target={self.processes[name].pid}", "--mount", "--root", "--wd"]
        user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        command = ["sh", "-c", *line] if kind == "CMD-SHELL" else line
        whole = [*inside, *user, "env", "-i", *self._environ(name), *command]
        return subprocess.run(whole, capture_output=True, check=False).returncode == 0

    def hand_in(self, name: str) -> None:
        """Let a study arrive, as somebody does who may write the inbox."""
        folder = self.root / f"arriving-{name}"
        make_study(folder, n_series=1, n_images=3)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, UID, UID)
        folder.rename(self.inbox / name)

    def _here(self, text: str) -> str:
        """Put ports of this test in place of compose's; every path stays as it is."""
        for there, here in (
            ("0.0.0.0:8000", f"127.0.0.1:{self.web_port}"),
            ("127.0.0.1:8000", f"127.0.0.1:{self.web_port}"),
        ):
            text = text.replace(there, here)
        return text

    def _files(self, *names: str) -> Iterator[Path]:
        for name in names:
            yield self.root / name
            yield from (self.root / name).rglob("*")

    def _environ(self, name: str) -> list[str]:
        environ = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "sendit.server.settings",
            "HOME": "/tmp",
            **self.services[name].get("environment", {}),
        }
        return [f"{key}={value}" for key, value in environ.items()]

    def _boxed(self, name: str, command: Iterable[str]) -> list[str]:
        service = self.services[name]
        box = self.root / "box" / name
        box.mkdir(exist_ok=True)
        user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        user += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        program = ["env", "-i", *self._environ(name), *map(self._here, command)]
        inside = f"cd /srv/sendit; exec {shlex.join(program)}"
        script = [
            "set -e; ulimit -c 0",
            *_root_of(box),
            *(_mounted(volume, self._source(volume), box) for volume in service["volumes"]),
            *(_in_memory(place, box) for place in service["tmpfs"]),
            *(self._secret(secret["source"], box) for secret in service["secrets"]),
            *(f"mkdir -p {box}/tree/{p}; mount --bind {p} {box}/tree{p}" for p in _below_tmp()),
            f"exec chroot {box}/tree {shlex.join([*user, 'sh', '-c', inside])}",
        ]
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", "\n".join(script)]

    def _source(self, volume: dict[str, str | dict[str, str]]) -> Path:
        if volume["type"] == "bind":
            names = {"/etc/sendit": "etc", "/srv/inbox": "inbox", "/srv/out": "out"}
            return self.root / names[str(volume["target"])]
        below = volume.get("volume", {})
        assert isinstance(below, dict)
        return self.root / "volumes" / str(volume["source"]) / below.get("subpath", "")

    def _secret(self, name: str, box: Path) -> str:
        return f"mount --bind {self.root}/secrets/{name} {box}/tree/run/secrets/{name}"


def _root_of(box: Path) -> Iterator[str]:
    """Yield what makes a root that cannot be written, with the places for mounts in it."""
    places = ("srv/inbox", "srv/out", "srv/sendit/clean", "srv/sendit/previews", "etc/sendit")
    places += ("srv/sendit/audit", "srv/sendit/run", "run/secrets", "tmp", "proc", "dev")
    yield f"mount -t tmpfs -o mode=755 tmpfs {box}; mkdir {box}/tree {box}/image"
    yield f"cd {box}/image; mkdir -p {' '.join(places)}"
    yield f"chown {UID}:{UID} srv/sendit srv/sendit/clean srv/sendit/previews"
    yield f"printf %s {shlex.quote(OUR_USER)} > etc/passwd"
    secrets = ("database_url", "broker_url", "site_key", "field_key", "web_secret_key")
    yield f"touch {' '.join(f'run/secrets/{name}' for name in secrets)}"
    yield from (f"mkdir -p {box}/image{path}" for path in PROGRAM)
    yield f"cd /; mount -t overlay -o ro,lowerdir={box}/image:/ overlay {box}/tree"
    yield f"mount -t proc proc {box}/tree/proc; mount --rbind /dev {box}/tree/dev"
    yield from (f"mount --bind {path} {box}/tree{path}" for path in PROGRAM)


def _mounted(volume: dict[str, object], source: Path, box: Path) -> str:
    there = f"{box}/tree{volume['target']}"
    bound = f"mount --bind {source} {there}"
    return f"{bound}; mount -o remount,bind,ro {there}" if volume.get("read_only") else bound


def _in_memory(place: str, box: Path) -> str:
    path, _, options = place.partition(":")
    return f"mount -t tmpfs -o {options} tmpfs {box}/tree{path}"


def _below_tmp() -> list[Path]:
    return [path for path in PROGRAM if path.is_relative_to("/tmp")]
