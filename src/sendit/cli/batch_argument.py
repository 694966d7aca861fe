"""``BATCH`` on the command line: the number of a batch, or its uid."""

from collections.abc import Sequence

from sendit.errors import UsageError
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch

HELP = 'Number or uid of a batch; "#42" is always the number.'


def find_batch(text: str) -> Batch:
    """Return the batch that a word on the command line means.

    Raises
    ------
    sendit.errors.UsageError
        When there is none, or two.
    """
    number = text.removeprefix("#")
    by_number: Batch | None = None
    if number.isascii() and number.isdigit() and len(number) <= 18:
        by_number = Batch.objects.filter(pk=int(number)).first()
    by_uid: Batch | None = Batch.objects.filter(uid_digest=keyed_digest(text)).first()
    if by_uid is not None and by_number is not None and by_uid != by_number:
        if text.startswith("#"):
            return by_number
        raise UsageError(
            f"That is the number of one batch and the uid of batch {by_uid.pk}: "
            f'write "#{by_number.pk}" or "#{by_uid.pk}".'
        )
    found: Batch | None = by_uid or by_number
    if found is None:
        raise UsageError('No batch has this number or uid; "sendit status" lists them all.')
    return found


def find_batches(words: Sequence[str]) -> list[Batch]:
    """Return the batches that several words mean, each once, in the order given."""
    return list(dict.fromkeys(find_batch(word) for word in words))
