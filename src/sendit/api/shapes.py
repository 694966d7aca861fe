"""What goes in and out, as types: the source of the API's description.

Answers are made elsewhere and only described here; what comes in is checked by these and
nothing else.
"""

from typing import Any  # Django REST framework's own signatures

from django.core.validators import RegexValidator
from rest_framework import serializers

from sendit.terms import DeliveryState, Stage, Status, Verdict

PAGE_SIZE = 10
LARGEST_PAGE = 100
LONGEST_REASON = 1000
_IMAGE_STATES = [Status.NEW, Status.PROCESSING, Status.DONEPROCESSING, Status.SENT, Status.DONE]
_BATCH_ORDER = ("id", "created", "modified", "status", "project")
_IMAGE_ORDER = ("id", "created", "modified", "status")


def _text(*, longest: int, blank: bool = False, **more: Any) -> serializers.CharField:
    """Return a text as databases hold it: no NUL; and something in it, unless it may be blank."""
    pattern = r"^[^\x00]*$" if blank else r"^[^\x00]*[^\s\x00][^\x00]*$"
    return serializers.CharField(
        max_length=longest,
        allow_blank=blank,
        trim_whitespace=False,
        validators=[RegexValidator(pattern, "This field must hold text.")],
        **more,
    )


def _both_ways(names: tuple[str, ...]) -> list[str]:
    return [*names, *(f"-{name}" for name in names)]


# In


class PageQuery(serializers.Serializer[Any]):
    """Which part of a list."""

    page = serializers.IntegerField(min_value=1, default=1, help_text="From 1 on.")
    page_size = serializers.IntegerField(
        min_value=1,
        default=PAGE_SIZE,
        help_text=f"How many at once; {LARGEST_PAGE} at most, also when more are asked for.",
    )


class BatchQuery(PageQuery):
    """Which batches."""

    status = serializers.ChoiceField(choices=[word.value for word in Status], required=False)
    project = _text(longest=63, required=False)
    has_error = serializers.ChoiceField(choices=["true", "false"], required=False)
    ordering = serializers.ChoiceField(choices=_both_ways(_BATCH_ORDER), default="-id")


class ImageQuery(PageQuery):
    """Which images."""

    status = serializers.ChoiceField(choices=[word.value for word in _IMAGE_STATES], required=False)
    project = _text(longest=63, required=False)
    has_error = serializers.ChoiceField(
        choices=["true", "false"], required=False, help_text="Of their batch."
    )
    batch = serializers.IntegerField(min_value=1, max_value=10**18, required=False)
    ordering = serializers.ChoiceField(choices=_both_ways(_IMAGE_ORDER), default="-id")


class Retry(serializers.Serializer[Any]):
    """What to try again."""

    target = _text(longest=63, required=False, help_text="Only the failed delivery to this target.")


class Resolve(serializers.Serializer[Any]):
    """What is decided."""

    decision = serializers.ChoiceField(
        choices=["accept", "reject"],
        help_text="accept: go on without the bad and held files. reject: send nothing more.",
    )
    reason = _text(
        longest=LONGEST_REASON,
        required=False,
        blank=True,
        help_text="Kept with the errors; do not name a patient.",
    )


class Release(serializers.Serializer[Any]):
    """What may go on."""

    reason = _text(longest=LONGEST_REASON, help_text="Kept with the alerts; do not name a patient.")
    image = serializers.IntegerField(
        min_value=1,
        max_value=10**9,
        required=False,
        help_text="Number of one image in the batch; else all that are held.",
    )


class NoBody(serializers.Serializer[Any]):
    """Nothing."""


# Out


class ErrorShape(serializers.Serializer[Any]):
    """What went wrong."""

    message = serializers.CharField()
    code = serializers.CharField()


class EntryShape(serializers.Serializer[Any]):
    """An error or an alert of a batch."""

    time = serializers.DateTimeField()
    stage = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    file = serializers.CharField(allow_null=True, help_text="Null without the right to see it.")
    image = serializers.IntegerField(allow_null=True)
    target = serializers.CharField(allow_null=True)
    resolved = serializers.CharField(allow_null=True)
    number = serializers.IntegerField(allow_null=True)


class FailureShape(serializers.Serializer[Any]):
    """The last failure of a delivery."""

    code = serializers.CharField()
    message = serializers.CharField()


class RecalledShape(serializers.Serializer[Any]):
    """What was taken back of a delivery after it was proven."""

    time = serializers.DateTimeField(help_text="Of the last recall.")
    instances = serializers.IntegerField(help_text="That were recalled.")
    left = serializers.IntegerField(help_text="Of these, whose absence is not proven.")


class DeliveryShape(serializers.Serializer[Any]):
    """How far a batch is with one target."""

    target = serializers.CharField()
    state = serializers.ChoiceField(choices=[word.value for word in DeliveryState])
    attempts = serializers.IntegerField()
    error = FailureShape(allow_null=True)
    recalled = RecalledShape(allow_null=True)


class CountsShape(serializers.Serializer[Any]):
    """Accepted images by state."""

    NEW = serializers.IntegerField()
    PROCESSING = serializers.IntegerField()
    DONEPROCESSING = serializers.IntegerField()
    SENT = serializers.IntegerField()
    DONE = serializers.IntegerField()


class BatchShape(serializers.Serializer[Any]):
    """A batch, as ``sendit status --json`` says it."""

    id = serializers.IntegerField()
    created = serializers.DateTimeField()
    modified = serializers.DateTimeField()
    batch = serializers.IntegerField()
    uid = serializers.CharField()
    project = serializers.CharField()
    status = serializers.ChoiceField(choices=[word.value for word in Status])
    stage = serializers.ChoiceField(choices=[word.value for word in Stage], allow_null=True)
    has_error = serializers.BooleanField()
    errors = EntryShape(many=True)  # type: ignore[assignment]  # DRF has a property of that name
    images = CountsShape()
    excluded = serializers.IntegerField()
    held_images = serializers.IntegerField()
    rejected = serializers.IntegerField()
    unreadable = serializers.IntegerField()
    alerts = EntryShape(many=True)
    deliveries = DeliveryShape(many=True)
    held = serializers.CharField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True)
    started = serializers.DateTimeField(allow_null=True)
    finished = serializers.DateTimeField(allow_null=True)
    bytes = serializers.IntegerField()


class ImageShape(serializers.Serializer[Any]):
    """An image."""

    id = serializers.IntegerField()
    uid = serializers.CharField(
        allow_null=True, help_text="The new SOP Instance UID; null until it has one."
    )
    status = serializers.ChoiceField(choices=[word.value for word in _IMAGE_STATES])
    verdict = serializers.ChoiceField(choices=[word.value for word in Verdict])
    reason = serializers.CharField(allow_null=True)
    batch = serializers.IntegerField()
    created = serializers.DateTimeField()
    modified = serializers.DateTimeField()


class PageShape(serializers.Serializer[Any]):
    """A part of a list."""

    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class BatchPage(PageShape):
    """Batches."""

    results = BatchShape(many=True)


class ImagePage(PageShape):
    """Images."""

    results = ImageShape(many=True)


class BatchCounts(serializers.Serializer[Any]):
    """Batches by state, under the original sendit's names."""

    SEEN = serializers.IntegerField(help_text="All.")
    SENT = serializers.IntegerField(help_text="DONE: sent, proven and ready for clean-up.")
    EMPTY = serializers.IntegerField()
    QUEUE = serializers.IntegerField()


class MetricsShape(serializers.Serializer[Any]):
    """Counts."""

    timestamp = serializers.DateTimeField()
    data_root = serializers.CharField(help_text="The inboxes, with commas between them.")
    data_total = serializers.IntegerField(help_text="Folders in the inboxes.")
    batches = BatchCounts()


class VolumeShape(serializers.Serializer[Any]):
    """How much became DONE."""

    timestamp = serializers.DateTimeField()
    gb_per_day = serializers.FloatField()
    days = serializers.IntegerField()
