"""Batches: the list, one of them, and what can be decided about it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar  # a batch as ``describe`` tells it is a JSON object

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from sendit.api import shapes
from sendit.api.authentication import access
from sendit.api.lists import both_down_or_up, page_of, read_query
from sendit.errors import ChangedMeanwhile
from sendit.metrics.status import describe_to, iso
from sendit.pipeline.decide import NEEDS, Action, Decision, decide, version_of
from sendit.records.access import Access
from sendit.records.models import Batch
from sendit.records.roles import Right

View = TypeVar("View", bound=Callable[..., Any])

REFUSALS: dict[int, type[Serializer[Any]]] = dict.fromkeys((401, 403, 406), shapes.ErrorShape)
_ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    description="Changes whenever something changes that a decision could rest on.",
    response=[200],
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": r'^("[0-9a-f]{32}"|\*)$'},
    OpenApiParameter.HEADER,
    description="The ETag of the batch as you have seen it; without one, or with `*`, the "
    "decision holds whatever has happened since.",
)


@extend_schema(
    operation_id="batches",
    parameters=[shapes.BatchQuery],
    responses={200: shapes.BatchPage, 400: shapes.ErrorShape, 404: shapes.ErrorShape, **REFUSALS},
)
@api_view(["GET", "HEAD"])
def batch_list(request: Request) -> Response:
    """List the batches that you may see, newest first unless another order is asked for."""
    query = read_query(request, shapes.BatchQuery)
    who = access(request)
    rows = who.batches()
    for name in ("status", "project"):
        if name in query:
            rows = rows.filter(**{name: query[name]})
    if "has_error" in query:
        rows = rows.filter(has_error=query["has_error"] == "true")
    rows = rows.order_by(*both_down_or_up(query["ordering"]))
    return page_of(request, rows, query, lambda batches: told(batches, who))


@extend_schema(
    operation_id="batch",
    parameters=[_ETAG],
    responses={200: shapes.BatchShape, 404: shapes.ErrorShape, **REFUSALS},
)
@api_view(["GET", "HEAD"])
def batch_detail(request: Request, number: int) -> Response:
    """Tell one batch."""
    who = access(request)
    return _answer(seen(who, number), who)


def _action(name: str, shape: type[Serializer[Any]], description: str) -> Callable[[View], View]:
    outcomes = {
        200: shapes.BatchShape,
        **dict.fromkeys((400, 404, 413, 415), shapes.ErrorShape),
        409: OpenApiResponse(shapes.ErrorShape, "It is not possible now."),
        412: OpenApiResponse(shapes.ErrorShape, "The batch has changed since you looked."),
        **REFUSALS,
    }
    describing: Callable[[View], View] = extend_schema(
        operation_id=name,
        description=description,
        request=shape,
        parameters=[_IF_MATCH, _ETAG],
        responses=outcomes,
    )
    return describing


@_action("retry", shapes.Retry, "Give a stopped or waiting batch its stage again.")
@api_view(["POST"])
def retry(request: Request, number: int) -> Response:
    """Try again."""
    given = _body(request, shapes.Retry)
    return _decided(request, number, Action.RETRY, target=given.get("target"))


@_action("resolve", shapes.Resolve, "Decide about a batch with errors or held images.")
@api_view(["POST"])
def resolve(request: Request, number: int) -> Response:
    """Accept or reject."""
    given = _body(request, shapes.Resolve)
    reason = given.get("reason", "")
    return _decided(request, number, Action(given["decision"]), reason=reason)


@_action("release", shapes.Release, "Let held images go on; they are checked like any other.")
@api_view(["POST"])
def release(request: Request, number: int) -> Response:
    """Release."""
    given = _body(request, shapes.Release)
    image = given.get("image")
    return _decided(request, number, Action.RELEASE, reason=given["reason"], image=image)


@_action("upload_finished", shapes.NoBody, 'Let a batch of a project with `send = "manual"` go on.')
@api_view(["POST"])
def upload_finished(request: Request, number: int) -> Response:
    """Send."""
    _body(request, shapes.NoBody)
    return _decided(request, number, Action.SEND)


def told(batches: Sequence[Batch], who: Access) -> list[dict[str, Any]]:
    """Return batches as JSON; names of files only to those with the right to see them."""
    described = describe_to(batches, may_see_files=lambda batch: who.may(Right.PHI, batch.project))
    return [
        {"id": batch.pk, "created": iso(batch.created), "modified": iso(batch.modified), **one}
        for batch, one in zip(batches, described, strict=True)
    ]


def seen(who: Access, number: int) -> Batch:
    """Return a batch that somebody may see; one they may not is as if it were not there."""
    batch: Batch | None = who.batches().filter(pk=number).first()
    if batch is None:
        raise Http404
    return batch


def _answer(batch: Batch, who: Access) -> Response:
    return Response(told([batch], who)[0], headers={"ETag": f'"{version_of(batch)}"'})


def _body(request: Request, shape: type[Serializer[Any]]) -> dict[str, Any]:
    given = shape(data=request.data)
    given.is_valid(raise_exception=True)
    checked: dict[str, Any] = given.validated_data
    return checked


def _decided(
    request: Request,
    number: int,
    action: Action,
    *,
    reason: str = "",
    image: int | None = None,
    target: str | None = None,
) -> Response:
    who = access(request)
    batch = seen(who, number)
    if not who.may(NEEDS[action], batch.project):
        raise PermissionDenied(
            f"You need the right to {NEEDS[action]} in this project, and a token its scope."
        )
    decision = Decision(action, by=who.name, reason=reason, image=image, target=target)
    decide(
        batch.pk,
        decision,
        version=_version(request),
        now=datetime.now(UTC),
        head_folder=settings.SENDIT.settings.audit.folder,
    )
    batch.refresh_from_db()
    return _answer(batch, who)


def _version(request: Request) -> str | None:
    """Return the version that the request insists on; None when on none."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = [tag.strip() for tag in header.split(",")]
    if len(tags) != 1 or len(tags[0]) < 2 or tags[0][0] + tags[0][-1] != '""':
        # No version looks like that, so the batch has another one.
        raise ChangedMeanwhile("If-Match holds no ETag of this batch; look at it again.")
    return tags[0].strip('"')
