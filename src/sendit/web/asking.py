"""Who asks for a page, and what of the records that person may see."""

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest
from django.urls import NoReverseMatch, reverse

from sendit import __version__
from sendit.records.access import Access, access_of
from sendit.records.models import Batch, Image
from sendit.records.roles import Right

_PAGES = (
    ("dashboard", "Dashboard"),
    ("batches", "Batches"),
    ("errors", "Errors"),
    ("projects", "Projects"),
    ("targets", "Targets"),
    ("settings", "Settings"),
    ("api-page", "API"),
)


def who(request: HttpRequest) -> Access:
    """Return what whoever asks may do; looked up once for a request."""
    found: Access | None = getattr(request, "sendit_access", None)
    if found is None:
        found = access_of(request.user)
        request.sendit_access = found  # type: ignore[attr-defined]  # kept for this request
    return found


def batch_or_404(request: HttpRequest, number: int, right: Right = Right.VIEW) -> Batch:
    """Return a batch; one that somebody may not see is as if it were not there."""
    batch: Batch | None = who(request).batches(right).filter(pk=number).first()
    if batch is None:
        raise Http404
    return batch


def image_or_404(request: HttpRequest, number: int, right: Right = Right.VIEW) -> Image:
    """Return an image with its batch; as ``batch_or_404``."""
    image: Image | None = Image.objects.select_related("batch__profile").filter(pk=number).first()
    if image is None or not who(request).may(right, image.batch.project):
        raise Http404
    return image


def audit_head() -> Path:
    """Return where the end of the audit log is kept: beside the keys."""
    folder: Path = settings.SENDIT.settings.audit.folder
    return folder


def context(request: HttpRequest) -> dict[str, object]:
    """Return what every page shows: where one can go, and who one is."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"version": __version__}
    places = []
    for name, words in _PAGES:
        try:
            address = reverse(name)
        except NoReverseMatch:
            continue
        here = request.path == address or (address != "/" and request.path.startswith(address))
        places.append((address, words, here))
    return {"version": __version__, "places": places, "who": who(request)}
