"""What the pipeline and the pages ask of the database all day."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import django
from django.conf import settings
from django.test import Client

django.setup()

from sendit.api.lists import both_down_or_up  # noqa: E402 - models are there only now
from sendit.metrics.numbers import (  # noqa: E402
    batches_by_status,
    gb_per_day,
    process_times,
)
from sendit.metrics.status import describe  # noqa: E402
from sendit.metrics.throughput import by_day, by_hour  # noqa: E402
from sendit.pipeline import machine  # noqa: E402
from sendit.pipeline.admission import obstacle  # noqa: E402
from sendit.pipeline.preparation import prepare  # noqa: E402
from sendit.pipeline.stages.incomplete import incomplete_series  # noqa: E402
from sendit.pipeline.sweep import sweep  # noqa: E402
from sendit.records.access import local_user  # noqa: E402
from sendit.records.models import Batch, Image  # noqa: E402
from sendit.terms import Stage  # noqa: E402
from sendit.web.health import needing_a_person  # noqa: E402

LEASE = timedelta(seconds=60)


def prepare_database() -> None:
    """Make the tables."""
    prepare(settings.SENDIT)


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def questions(*, now: datetime) -> Mapping[str, Callable[[], object]]:
    """Return each question; what lists says so in its name, and is judged by the line."""
    shared = Batch.objects.filter(stage=Stage.DEIDENTIFY).values_list("pk", flat=True)[0]

    def claim_stage() -> None:
        batch = Batch.objects.filter(stage=Stage.IDENTIFY).values_list("pk", flat=True)[0]
        claim = machine.claim(
            batch, Stage.IDENTIFY, worker="w:1:1", lease=LEASE, tries=10**6, now=utc_now()
        )
        assert claim is not None
        machine.release_claims("w:1:1", now=utc_now())

    def claim_images() -> None:
        claim = machine.claim_images(
            shared, worker="w:1:1", chunk=32, lease=LEASE, tries=10**6, now=utc_now()
        )
        assert claim is not None
        machine.release_claims("w:1:1", now=utc_now())
        Image.objects.filter(pk__in=claim.image_ids).update(attempts=0)

    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(local_user(), "django.contrib.auth.backends.ModelBackend")

    def dashboard() -> None:
        assert browser.get("/").status_code == 200

    return {
        "next batch": lambda: Batch.objects.claimable(now).values_list("pk", flat=True).first(),
        "untouched batches (bell)": lambda: list(
            Batch.objects.untouched(now).values_list("pk", flat=True)[:100]
        ),
        "claim a stage": claim_stage,
        "claim a chunk": claim_images,
        "series that are not whole": lambda: incomplete_series(shared, project="demo"),
        "admission": lambda: obstacle(settings.SENDIT),
        "anything due": lambda: Batch.objects.anything_due(now),
        "on their way": lambda: Batch.objects.admitted().count(),
        "sweep": lambda: sweep(settings.SENDIT, now=utc_now()),
        "page: dashboard, whole": dashboard,
        "page: 50 newest": lambda: describe(
            list(Batch.objects.defer("uid").order_by("-pk")[:50]), with_files=False
        ),
        "page: who needs a person": lambda: list(
            needing_a_person(Batch.objects.all()).values_list("pk", flat=True)[:20]
        ),
        **{
            f"API: {model.__name__} by {order}": lambda model=model, order=order: list(
                model.objects.order_by(*both_down_or_up(order)).values_list("pk", flat=True)[:10]
            )
            for model in (Batch, Image)
            for order in ("modified", "-modified", "status", "-status")
        },
        "page: counts": batches_by_status,
        "page: bytes of 14 days": lambda: by_day(None, days=14, now=now),
        "page: images of 24 hours": lambda: by_hour(None, hours=24, now=now),
        "GB of a week": lambda: gb_per_day(days=7, now=now),
        "GB of the last day": lambda: gb_per_day(days=1, now=now),
        "export_metrics (each line)": lambda: sum(1 for _ in process_times(with_uid=False)),
    }
