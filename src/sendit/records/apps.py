"""The Django application that owns every table."""

from django.apps import AppConfig


class RecordsConfig(AppConfig):
    """Batches, Images and what happened to them."""

    name = "sendit.records"
    label = "records"
    default_auto_field = "django.db.models.BigAutoField"
