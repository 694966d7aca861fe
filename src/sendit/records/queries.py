"""Named questions about batches and images.

Each is one query on SQLite and PostgreSQL alike.  Nothing is written here.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Self, cast

from django.db import connections, models
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, Value, When

from sendit.terms import Stage, Status, Verdict

if TYPE_CHECKING:
    from sendit.records.models import (  # noqa: F401 - named in a base class
        Batch,
        Delivery,
        Image,
        Pause,
    )

AT_REST = (Status.DONE, Status.EMPTY, Status.ERROR)
"""A batch in one of these is not worked on; its folder's name may come again."""

_STAGE_ORDER = (
    Stage.CLEAN_UP,
    Stage.VERIFY,
    Stage.SEND,
    Stage.DEIDENTIFY,
    Stage.IDENTIFY,
    Stage.IMPORT,
)


class BatchQuerySet(models.QuerySet["Batch"]):
    """Questions about batches."""

    def admitted(self) -> Self:
        """Return those let in and not yet at rest: they count against ``batches_at_once``.

        One whose results wait for their day (``hold_releases``) does not.
        """
        return (
            self.filter(
                Q(status__in=[Status.NEW, Status.PROCESSING])
                | Q(status=Status.DONEPROCESSING, stage__in=[Stage.SEND, Stage.VERIFY])
            )
            .filter(held="")
            .exclude(Q(stage=Stage.SEND, due_at__isnull=False) & ~Exists(self._deliveries()))
        )

    def queued(self) -> Self:
        """Return those waiting to be let in, first the urgent, then the old."""
        return self.filter(status=Status.QUEUE).order_by("-priority", "pk")

    def may_be_let_in(self) -> Self:
        """Return the queued ones of projects that are not paused."""
        return self.queued().filter(~Exists(self._pauses()))

    def actionable(self) -> Self:
        """Return those with a stage that a worker may run, now or later."""
        return (
            self.exclude(stage="")
            .exclude(status=Status.QUEUE)
            .filter(held="")
            .filter(
                ~Q(status=Status.ERROR) | Q(turned_down=True, stage=Stage.CLEAN_UP),
            )
        )

    def due(self, now: datetime) -> Self:
        """Return those actionable, neither put off, nor paused, nor waiting for their time."""
        return self.actionable().filter(
            Q(retry_at=None) | Q(retry_at__lte=now),
            Q(due_at=None) | Q(due_at__lte=now),
            ~Exists(self._pauses()),
        )

    def anything_due(self, now: datetime) -> bool:
        """Say whether any is due."""
        # In the order of the index over the few that are on their way: PostgreSQL would rather
        # look through all batches for the first that fits, of which there may be none.
        return self.due(now).order_by("stage", "due_at").values_list("pk").first() is not None

    def with_originals(self) -> Self:
        """Return those taken in and not at rest, whose originals must still be there."""
        on_their_way = [Status.PROCESSING, Status.DONEPROCESSING, Status.ERROR]
        taken_in = self.exclude(stage__in=["", Stage.IMPORT]).filter(status__in=on_their_way)
        return taken_in.filter(turned_down=False, cleaned_at=None)

    def _pauses(self) -> "models.QuerySet[Pause]":
        """Return the pauses that hold up the batch at hand, for a subquery."""
        pause: type[Pause] = self.model._meta.apps.get_model("records", "Pause")
        whole = Q(kind=pause.NODE) | Q(kind=pause.PROJECT, name=OuterRef("project"))
        return pause.objects.filter(whole)

    def claimable(self, now: datetime) -> Self:
        """Return those due and in nobody's hands; what is furthest on its way comes first."""
        images = self._images()
        return (
            self.due(now)
            .filter(Q(lease_token="") | Q(lease_until__lt=now))
            .annotate(
                order=Case(
                    *(
                        When(stage=stage, then=Value(rank))
                        for rank, stage in enumerate(_STAGE_ORDER)
                    ),
                    output_field=IntegerField(),
                )
            )
            .filter(
                ~Q(stage=Stage.DEIDENTIFY) | Exists(images.claimable(now)) | ~Exists(images.open())
            )
            .order_by("-priority", "order", "pk")
        )

    def untouched(self, now: datetime) -> Self:
        """Return those claimable of which nobody holds any part: only a nudge takes them on."""
        held = self._images().filter(status=Status.PROCESSING, lease_until__gte=now)
        return self.claimable(now).filter(~Q(stage=Stage.DEIDENTIFY) | ~Exists(held))

    def in_hand(self, now: datetime) -> Self:
        """Return those due and claimed, whole or by image: somebody is on them."""
        return self.due(now).filter(
            Q(lease_until__gte=now)
            | Q(
                stage=Stage.DEIDENTIFY,
                images__status=Status.PROCESSING,
                images__lease_until__gte=now,
            )
        )

    def claimed(self, now: datetime) -> Self:
        """Return those that somebody holds as a whole."""
        return self.filter(lease_until__gte=now)

    def shared_out(self, now: datetime) -> Self:
        """Return those of which somebody holds images."""
        held = self._images().filter(status=Status.PROCESSING, lease_until__gte=now)
        shared = self.filter(stage=Stage.DEIDENTIFY, status=Status.PROCESSING)
        return shared.filter(Exists(held))

    def _deliveries(self) -> "models.QuerySet[Delivery]":
        """Return the deliveries of the batch at hand, for a subquery."""
        related = self.model._meta.get_field("deliveries").related_model
        return cast("type[Delivery]", related)._default_manager.filter(self._of_this_batch())

    def _images(self) -> "ImageQuerySet":
        """Return the images of the batch at hand, for a subquery."""
        related = self.model._meta.get_field("images").related_model
        return cast("type[Image]", related).objects.filter(self._of_this_batch())

    def _of_this_batch(self) -> Q:
        """Return what picks the rows of the batch at hand.

        Two bounds say "equal" to PostgreSQL, which would make a hash of *all* rows for that
        word; given bounds, SQLite would look through all images that are open.
        """
        if connections[self.db].vendor == "sqlite":
            return Q(batch=OuterRef("pk"))
        return Q(batch__gte=OuterRef("pk"), batch__lte=OuterRef("pk"))


class ImageQuerySet(models.QuerySet["Image"]):
    """Questions about images."""

    def accepted(self) -> Self:
        """Return the images that may leave once they are processed."""
        return self.filter(verdict=Verdict.ACCEPTED)

    def open(self) -> Self:
        """Return those accepted and not yet processed."""
        return self.accepted().filter(status__in=[Status.NEW, Status.PROCESSING])

    def claimable(self, now: datetime) -> Self:
        """Return those open and in nobody's hands."""
        return self.open().filter(
            Q(status=Status.NEW) | Q(lease_until=None) | Q(lease_until__lt=now)
        )

    def counts_by_status(self) -> dict[str, int]:
        """Return how many accepted images stand in each image state."""
        found = dict(
            self.accepted().values_list("status").annotate(n=Count("pk")).order_by("status")
        )
        return {
            word.value: found.get(word.value, 0)
            for word in (
                Status.NEW,
                Status.PROCESSING,
                Status.DONEPROCESSING,
                Status.SENT,
                Status.DONE,
            )
        }

    def counts_by_verdict(self) -> dict[str, int]:
        """Return how many images have each verdict."""
        found = dict(self.values_list("verdict").annotate(n=Count("pk")).order_by("verdict"))
        return {word.value: found.get(word.value, 0) for word in Verdict}
