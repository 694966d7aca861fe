"""Counts and volumes, under the names that the original sendit gave them."""

from datetime import UTC, datetime

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import api_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from sendit.api import shapes
from sendit.api.authentication import access
from sendit.api.batches import REFUSALS
from sendit.metrics.numbers import MOST_DAYS, batches_by_status, folders_in, gb_per_day
from sendit.metrics.status import iso
from sendit.terms import Status

DAYS = 7


@extend_schema(operation_id="metrics", responses={200: shapes.MetricsShape, **REFUSALS})
@api_view(["GET", "HEAD"])
def metrics(request: Request) -> Response:
    """Count the batches that you may see, and the folders in their inboxes."""
    who = access(request)
    projects = who.projects()
    inboxes = [
        inbox.path
        for inbox in settings.SENDIT.settings.inboxes
        if projects is None or inbox.project in projects
    ]
    counts = batches_by_status(who.projects())
    return Response(
        {
            "timestamp": iso(datetime.now(UTC)),
            "data_root": ", ".join(map(str, inboxes)),
            "data_total": sum(map(folders_in, inboxes)),
            "batches": {
                "SEEN": sum(counts.values()),
                "SENT": counts[Status.DONE],
                "EMPTY": counts[Status.EMPTY],
                "QUEUE": counts[Status.QUEUE],
            },
        }
    )


@extend_schema(
    operation_id="volume",
    parameters=[
        OpenApiParameter(
            "days",
            {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
            OpenApiParameter.PATH,
            description="How many days back.",
        )
    ],
    responses={200: shapes.VolumeShape, 400: shapes.ErrorShape, **REFUSALS, 404: shapes.ErrorShape},
)
@api_view(["GET", "HEAD"])
def volume(request: Request, days: str) -> Response:
    """Tell how many GB (10⁹ bytes) a day became DONE in the last days."""
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= MOST_DAYS):
        raise ValidationError({"days": f"must be a whole number from 1 to {MOST_DAYS}"})
    return _volume(request, int(days))


@extend_schema(operation_id="volume_of_a_week", responses={200: shapes.VolumeShape, **REFUSALS})
@api_view(["GET", "HEAD"])
def volume_of_a_week(request: Request) -> Response:
    """Tell how many GB (10⁹ bytes) a day became DONE in the last 7 days."""
    return _volume(request, DAYS)


def _volume(request: Request, days: int) -> Response:
    now = datetime.now(UTC)
    amount = gb_per_day(days=days, now=now, projects=access(request).projects())
    return Response({"timestamp": iso(now), "gb_per_day": amount, "days": days})
