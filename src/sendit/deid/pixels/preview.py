"""Preview pictures of results: one PNG per series.

An uncompressed instance is drawn in this process, a compressed one in a child process with
a time limit (``isolated.py``).  A picture that cannot be drawn is a reason, never an error:
no batch stops for want of a preview.

Only *results* may be drawn here; what shows an original is another matter.
"""

import re
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sendit.deid.pixels.frame import Look, Wanted, is_compressed, look_at
from sendit.deid.pixels.isolated import MIDDLE, Picture, draw_isolated, draw_quietly
from sendit.deid.pixels.kept_drawer import KeptDrawer

TIME_LIMIT = timedelta(seconds=10)
"""For one compressed instance."""

BUDGET = timedelta(minutes=1)
"""For all pictures of a batch."""

_CHUNK = 16
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class Preview:
    """What became of one wanted picture."""

    series_instance_uid: str
    """The new one."""
    path: Path | None
    """The PNG; None when there is none."""
    reason: str = ""
    """Why there is none."""


def write_previews(
    clean_dir: Path,
    images: Iterable[tuple[str, str]],
    out_dir: Path,
    *,
    time_limit: timedelta = TIME_LIMIT,
    budget: timedelta = BUDGET,
    progress: Callable[[], None] = lambda: None,
) -> tuple[Preview, ...]:
    """Write one picture per series, of its middle instance.

    Parameters
    ----------
    clean_dir
        The results of a batch.
    images
        New Series Instance UID and path below ``clean_dir`` of each result, in order.
    out_dir
        Made when missing; gets ``<Series Instance UID>.png``.  One that is there is kept.
    time_limit
        For each compressed instance.
    budget
        For the whole batch; the series that are left then get no picture.
    progress
        Called every few pictures.
    """
    series: dict[str, list[str]] = {}
    for series_instance_uid, file in images:
        series.setdefault(series_instance_uid, []).append(file)
    middles = [
        (uid, clean_dir / files[(len(files) - 1) // 2])
        for uid, files in series.items()
        if not (out_dir / f"{uid}.png").is_file()
    ]
    made = {uid: Preview(uid, out_dir / f"{uid}.png") for uid in series}
    deadline = time.monotonic() + budget.total_seconds()
    for start in range(0, len(middles), _CHUNK):
        chunk = middles[start : start + _CHUNK]
        if time.monotonic() > deadline:
            pictures = [Picture(None, "there was no time left for it")] * len(chunk)
        else:
            pictures = render([source for _, source in chunk], time_limit=time_limit)
        for (uid, _), picture in zip(chunk, pictures, strict=True):
            made[uid] = _write(uid, picture, out_dir)
        progress()
    return tuple(made.values())


def render(
    sources: Sequence[Path], *, time_limit: timedelta = TIME_LIMIT, wanted: Wanted = MIDDLE
) -> list[Picture]:
    """Draw a frame of each instance; a picture for each, in the same order."""
    apart = [source for source in sources if _needs_a_codec(source)]
    drawn = draw_isolated(apart, time_limit=time_limit, wanted=wanted)
    isolated = dict(zip(apart, drawn, strict=True))
    return [isolated.get(source) or draw_quietly(source, wanted) for source in sources]


def render_result(source: Path, drawer: KeptDrawer, *, wanted: Wanted = MIDDLE) -> Picture:
    """Draw a frame of one *result*; a compressed one in the child that is kept."""
    if _needs_a_codec(source):
        return drawer.draw(source, wanted=wanted, time_limit=TIME_LIMIT)
    return draw_quietly(source, wanted)


def look_quietly(source: Path) -> Look | None:
    """Return what of an instance can be looked at; None when its header cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return look_at(source)
    except Exception:  # noqa: BLE001 - the boundary of one image: pydicom raises anything
        return None


def _needs_a_codec(source: Path) -> bool:
    try:
        return is_compressed(source)
    except Exception:  # noqa: BLE001 - the boundary of one image; drawing it will say why
        return False


def _write(uid: str, picture: Picture, out_dir: Path) -> Preview:
    if not _UID.fullmatch(uid):
        return Preview(uid, None, "the Series Instance UID cannot be a file name")
    if picture.png is None:
        return Preview(uid, None, picture.reason)
    path = out_dir / f"{uid}.png"
    out_dir.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(picture.png)
    part.replace(path)
    return Preview(uid, path)
