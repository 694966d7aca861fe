"""What columns of several tables have in common."""

from sendit.terms import DeliveryState, Stage, Status, Verdict


def choices_of(words: type[Status | Stage | Verdict | DeliveryState]) -> list[tuple[str, str]]:
    """Return the words that a column may hold, as Django wants them."""
    return [(word.value, word.value) for word in words]
