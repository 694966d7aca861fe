"""The Django application that brings the commands."""

from django.apps import AppConfig


class CliConfig(AppConfig):
    """Commands, and nothing else."""

    name = "sendit.cli"
    label = "cli"
