"""The Django application that owns every table."""

import os
import time

from django.apps import AppConfig
from django.conf import settings


class RecordsConfig(AppConfig):
    """Batches, Images and what happened to them."""

    name = "sendit.records"
    label = "records"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Undo what Django's set-up did to the process: a day is a day where this machine is."""
        os.environ.pop("TZ", None)
        if settings.ZONE_OF_THIS_MACHINE is not None:
            os.environ["TZ"] = settings.ZONE_OF_THIS_MACHINE
        time.tzset()
