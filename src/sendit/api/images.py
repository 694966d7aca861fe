"""Images: the list, and one of them."""

from collections.abc import Sequence
from typing import Any  # JSON

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from sendit.api import shapes
from sendit.api.authentication import access
from sendit.api.batches import REFUSALS
from sendit.api.lists import both_down_or_up, page_of, read_query
from sendit.metrics.status import iso
from sendit.records.access import Access
from sendit.records.models import Image
from sendit.records.queries import ImageQuerySet

_COLUMNS = ("pk", "sop_instance_uid", "status", "verdict", "reason", "batch", "created", "modified")


@extend_schema(
    operation_id="images",
    parameters=[shapes.ImageQuery],
    responses={200: shapes.ImagePage, 400: shapes.ErrorShape, 404: shapes.ErrorShape, **REFUSALS},
)
@api_view(["GET", "HEAD"])
def image_list(request: Request) -> Response:
    """List the images that you may see, newest first unless another order is asked for."""
    query = read_query(request, shapes.ImageQuery)
    rows = _seen(access(request))
    for name, column in (("status", "status"), ("batch", "batch"), ("project", "batch__project")):
        if name in query:
            rows = rows.filter(**{column: query[name]})
    if "has_error" in query:
        rows = rows.filter(batch__has_error=query["has_error"] == "true")
    # They are numbered as they are made, and by number there is an index.
    ordering = query["ordering"].replace("created", "id")
    rows = rows.only(*_COLUMNS).order_by(*both_down_or_up(ordering))
    return page_of(request, rows, query, _told)


@extend_schema(
    operation_id="image",
    responses={200: shapes.ImageShape, 404: shapes.ErrorShape, **REFUSALS},
)
@api_view(["GET", "HEAD"])
def image_detail(request: Request, number: int) -> Response:
    """Tell one image."""
    image = _seen(access(request)).only(*_COLUMNS).filter(pk=number).first()
    if image is None:
        raise Http404
    return Response(_told([image])[0])


def _seen(who: Access) -> ImageQuerySet:
    projects = who.projects()
    if projects is None:
        return Image.objects.all()
    return Image.objects.filter(batch__project__in=projects)


def _told(images: Sequence[Image]) -> list[dict[str, Any]]:
    return [
        {
            "id": image.pk,
            "uid": image.sop_instance_uid or None,
            "status": image.status,
            "verdict": image.verdict,
            "reason": image.reason or None,
            "batch": image.batch_id,
            "created": iso(image.created),
            "modified": iso(image.modified),
        }
        for image in images
    ]
