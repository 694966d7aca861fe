"""Signs of life, for those who cannot see the process itself."""

from datetime import datetime, timedelta

from sendit.records.models import Beat
from sendit.terms import Zone

WATCHER = "watcher"
EVERY_SECONDS = 5.0
SILENT = timedelta(seconds=30)
"""Whoever gives no sign for so long is taken for gone."""
FORGOTTEN = timedelta(days=1)


def worker_name(zone: Zone, process: str) -> str:
    """Return the name under which the workers of a zone on one machine give signs."""
    return f"worker-{zone}@{process}"[:120]


def beat(name: str, *, now: datetime, words: str = "") -> None:
    """Give a sign of life."""
    Beat.objects.bulk_create(
        [Beat(name=name, at=now, words=words)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at", "words"],
    )


def forget_old_beats(*, now: datetime) -> None:
    """Forget workers that have been gone for long."""
    Beat.objects.filter(at__lt=now - FORGOTTEN).delete()


def last_beat(name: str, *, now: datetime) -> Beat | None:
    """Return the last sign of a process that is taken for alive."""
    return Beat.objects.filter(name=name, at__gte=now - SILENT).first()


def workers_alive(zone: Zone, *, now: datetime) -> int:
    """Return how many machines have workers of a zone that are alive."""
    begin = worker_name(zone, "")
    return Beat.objects.filter(name__startswith=begin, at__gte=now - SILENT).count()
