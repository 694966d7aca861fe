"""Encrypt everything anew with the first field key.

After a new key was put first in its file, old values are still read with the old one.  This
goes through every encrypted column of every table, a block of rows at a time, and may be
killed and run again: what is encrypted with the first key already is encrypted once more.
"""

from collections.abc import Iterator

from django.apps import apps
from django.db import models, transaction

from sendit.records.encrypted import EncryptedField

_BLOCK = 500


def encrypt_anew() -> int:
    """Do so; return how many rows were written."""
    return sum(_encrypt_table(model, fields) for model, fields in _tables())


def _tables() -> Iterator[tuple[type[models.Model], list[str]]]:
    for model in apps.get_app_config("records").get_models():
        fields = [f.name for f in model._meta.concrete_fields if isinstance(f, EncryptedField)]
        if fields:
            yield model, fields


def _encrypt_table(model: type[models.Model], fields: list[str]) -> int:
    manager = model._default_manager
    count, last = 0, None
    while True:
        rows = (
            manager.order_by("pk") if last is None else manager.filter(pk__gt=last).order_by("pk")
        )
        block = list(rows.values_list("pk", flat=True)[:_BLOCK])
        if not block:
            return count
        with transaction.atomic():
            # Read under the lock, so that nothing written meanwhile is lost.
            objects = list(manager.select_for_update().filter(pk__in=block).only("pk", *fields))
            manager.bulk_update(objects, fields)
        count += len(objects)
        last = block[-1]
