"""One image: its state, what was done to it, and pictures of its *result*.

A picture of the *original* is for those with the right to see what identifies, is kept
nowhere, and each look is written into the audit log before it is answered.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sendit.deid.pixels.frame import Look, Wanted
from sendit.deid.pixels.kept_drawer import KeptDrawer
from sendit.deid.pixels.picture import Window
from sendit.deid.pixels.preview import look_quietly, render_result
from sendit.deid.pixels.preview import render as draw
from sendit.metrics.remedies import remedy
from sendit.metrics.report import ACTIONS, keyword
from sendit.metrics.wording import count_text, moment_text, size_text
from sendit.pipeline.workspace import Workspace
from sendit.records import audit
from sendit.records.models import Batch, Image, Treatment
from sendit.records.queries import ImageQuerySet
from sendit.records.roles import Right
from sendit.terms import Verdict
from sendit.web.asking import audit_head, image_or_404, who

KEPT_PICTURES = 128
"""At most half a megabyte each."""
_LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Slices:
    """What can be scrolled through from one image."""

    count: int
    at: int
    """From 0 on."""
    look: Look


@require_safe
def image_page(request: HttpRequest, number: int) -> HttpResponse:
    """Show one image."""
    image = image_or_404(request, number)
    access = who(request)
    result = _result(image)
    slices = None if result is None else _slices(image, result)
    at = _place(request, slices.count) if slices else None
    window = _window(request)
    others = _series(image)
    before = others.filter(nr__lt=image.nr).order_by("-nr").values_list("pk", flat=True).first()
    after = others.filter(nr__gt=image.nr).order_by("nr").values_list("pk", flat=True).first()
    context = {
        "image": image,
        "batch": image.batch,
        "size": size_text(image.size),
        "result_size": size_text(image.result_size) if image.result_size else "",
        "arrived": moment_text(image.created),
        "changed": moment_text(image.modified),
        "elements": _elements(image),
        "actions": [
            (name, ACTIONS.get(name, ""), number)
            for name, number in sorted(image.report.get("actions", {}).items())
        ],
        "rules": sorted(image.report.get("rules", {}).items()),
        "n_regions": count_text(len(image.report.get("regions", ())), "region"),
        "as_it_is": not _is_anonymized(image),
        "removed": _is_removed(image.batch),
        "at_a_site": settings.SENDIT.settings.mode == "celery",
        "regions": image.report.get("regions", ()),
        "remedy": remedy(image.reason) if image.verdict != Verdict.ACCEPTED else "",
        "may_compare": access.may(Right.PHI, image.batch.project) and bool(_original(image)),
        "source": image.source if access.may(Right.PHI, image.batch.project) else None,
        "slices": slices,
        "at": 1 + (slices.at if at is None else at) if slices else 1,
        "window": window or _own(slices),
        "query": request.GET.urlencode(),
        "kept_picture": slices is None and _kept(image) is not None,
        "before": before,
        "after": after,
    }
    return render(request, "web/image.html", context)


@require_safe
def preview(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with a picture of the result, or of its series when the result is gone."""
    image = image_or_404(request, number)
    result = _result(image)
    if result is None:
        kept = _kept(image)
        if kept is None:
            raise Http404
        return HttpResponse(kept.read_bytes(), content_type="image/png")
    slices = _slices(image, result)
    at = _place(request, slices.count if slices else 1)
    frame: int | None = at
    if slices and slices.look.frames == 1:
        frame = None
        other = image if at is None else _series(image).order_by("nr")[at]
        result = _result(other)
    window = _window(request)
    png = None
    if result is not None:
        changed = result.stat().st_mtime_ns
        png = _drawn(result, changed, frame, window)
    if png is None:
        raise Http404
    return HttpResponse(png, content_type="image/png")


@require_safe
def compare(request: HttpRequest, number: int) -> HttpResponse:
    """Show original and result side by side, with what was painted over."""
    image = image_or_404(request, number, Right.PHI)
    original = _original(image)
    result = _result(image)
    look = look_quietly(original) if original is not None else None
    context = {
        "image": image,
        "batch": image.batch,
        "original": original is not None,
        "result": result is not None,
        "look": look,
        "boxes": [box for region in image.report.get("regions", ()) if (box := _box(region))],
    }
    return render(request, "web/compare.html", context)


@require_safe
def original_picture(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with a picture of the original, once the look at it is written down."""
    image = image_or_404(request, number, Right.PHI)
    original = _original(image)
    if original is None:
        raise Http404
    act = audit.Act(
        who(request).name, "original viewed", f"image {image.nr} of batch {image.batch_id}"
    )
    audit.append(act, now=datetime.now(UTC), head_folder=audit_head())
    png = draw([original])[0].png
    if png is None:
        raise Http404
    return HttpResponse(png, content_type="image/png")


@lru_cache(maxsize=KEPT_PICTURES)
def _drawn(
    result: Path, _changed: int, frame: int | None, window: tuple[float, float] | None
) -> bytes | None:
    wanted = Wanted(frame, None if window is None else Window(*window))
    return render_result(result, _drawer(), wanted=wanted).png


@lru_cache(maxsize=1)
def _drawer() -> KeptDrawer:
    """Return what draws compressed results for this process."""
    return KeptDrawer()


def _original(image: Image) -> Path | None:
    """Return the original while it is there."""
    workspace = _workspace()
    for excluded in (False, True):
        path = workspace.original(image.batch_id, image.nr, excluded=excluded)
        if path.is_file():
            return path
    return None


def _box(region: Mapping[str, int]) -> tuple[int, int, int, int] | None:
    """Return left, top, width and height of a region in pixels; None when it is told otherwise."""
    try:
        left, top, right, bottom = (region[side] for side in ("left", "top", "right", "bottom"))
    except KeyError:
        return None
    return left, top, right - left, bottom - top


def _result(image: Image) -> Path | None:
    """Return the file of the result while it is there; None also for what is not de-identified."""
    if image.verdict != Verdict.ACCEPTED or not image.file:
        return None
    if not _is_anonymized(image):
        return None
    path = _workspace().clean(image.batch_id) / image.file
    return path if path.is_file() else None


def _is_removed(batch: Batch) -> bool:
    """Say whether clean-up has taken the results away."""
    return bool(batch.cleaned_at or (batch.removals.get("results") or {}).get("gone"))


def _is_anonymized(image: Image) -> bool:
    return bool(image.batch.profile.content.get("anonymize", True))


def _kept(image: Image) -> Path | None:
    """Return the picture of the image's series that clean-up has left."""
    if image.verdict != Verdict.ACCEPTED or not image.series_instance_uid:
        return None
    path = _workspace().previews(image.batch_id) / f"{image.series_instance_uid}.png"
    return path if path.is_file() else None


def _series(image: Image) -> ImageQuerySet:
    """Return the images of the same series that have a result."""
    if not image.series_instance_uid:
        return Image.objects.none()
    return (
        Image.objects.accepted()
        .filter(batch=image.batch_id, series_instance_uid=image.series_instance_uid)
        .exclude(file="")
        .select_related("batch__profile")
    )


def _slices(image: Image, result: Path) -> Slices | None:
    look = look_quietly(result)
    if look is None:
        return None
    if look.frames > 1:
        return Slices(look.frames, (look.frames - 1) // 2, look)
    series = _series(image)
    return Slices(max(1, series.count()), series.filter(nr__lt=image.nr).count(), look)


def _elements(image: Image) -> list[tuple[str, str, str, str, str, int]]:
    """Return path, keyword, action, its meaning, rule and count of everything that was done."""
    digest = image.report.get("treatment", "")
    found = Treatment.objects.filter(pk=digest).values_list("elements", flat=True).first()
    return [
        (path, keyword(path), action, ACTIONS.get(action, ""), rule, count)
        for path, action, rule, count in found or ()
    ]


def _place(request: HttpRequest, count: int) -> int | None:
    """Return which slice is asked for, from 0 on; the address counts from 1, as people do.

    Raises
    ------
    Http404
        When there is no such slice.
    """
    text = request.GET.get("slice")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= count):
        raise Http404
    return int(text) - 1


def _window(request: HttpRequest) -> tuple[float, float] | None:
    try:
        centre = float(request.GET.get("centre", ""))
        width = float(request.GET.get("width", ""))
    except ValueError:
        return None
    usable = math.isfinite(centre) and abs(centre) < _LARGEST and 1 < width < _LARGEST
    return (centre, width) if usable else None


def _own(slices: Slices | None) -> tuple[float, float] | None:
    window = slices.look.window if slices else None
    return None if window is None else (window.centre, window.width)


def _workspace() -> Workspace:
    return Workspace(settings.SENDIT.settings.work_dir)
