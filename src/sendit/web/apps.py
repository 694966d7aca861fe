"""The Django app of the pages; it has no tables."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The app."""

    name = "sendit.web"
