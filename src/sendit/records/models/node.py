"""The node itself: its keys, what was stopped, who is alive, how targets answer."""

from typing import ClassVar

from django.db import models


class Installation(models.Model):
    """The one row (id 1) that says which keys this database belongs to."""

    site_key_fingerprint = models.CharField(max_length=80)
    field_key_fingerprint = models.CharField(max_length=80)
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"installation of {self.created:%Y-%m-%d}"


class Pause(models.Model):
    """What an operator has stopped for a while; what runs already comes to its end."""

    NODE = "node"
    PROJECT = "project"
    TARGET = "target"

    kind = models.CharField(max_length=8, choices=[(k, k) for k in (NODE, PROJECT, TARGET)])
    name = models.CharField(max_length=63, blank=True, default="")
    """Of the project or the target; empty for the node."""
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name"], name="pause_unique"),
        ]

    def __str__(self) -> str:
        return f"pause of {self.kind} {self.name}"


class Beat(models.Model):
    """A sign of life of a process that others cannot see, on another machine or in a container."""

    name = models.CharField(max_length=120, unique=True)
    """``watcher``, or ``worker-ZONE@…``."""
    at = models.DateTimeField()
    words = models.TextField(blank=True, default="")
    """Why nothing is let in; empty when that is not so.  Never a value, never a name."""

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"


class TargetHealth(models.Model):
    """How a target of a project has answered lately, whatever the batch."""

    project = models.CharField(max_length=63)
    target = models.CharField(max_length=63)
    failures = models.PositiveIntegerField(default=0)
    """How often in a row it was away or full."""
    open_until = models.DateTimeField(null=True)
    """Until then nobody asks it; null: it may be asked."""
    error = models.JSONField(null=True)
    """``code`` and ``message`` of the last failure, null since it answered."""
    answered = models.DateTimeField(null=True)
    """When it took or proved something last."""

    class Meta:
        verbose_name_plural = "target healths"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "target"], name="target_health_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.target} of {self.project}"
