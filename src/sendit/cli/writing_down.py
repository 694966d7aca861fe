"""Writes into the audit log what a command is about to do, and who runs it."""

from datetime import UTC, datetime

from sendit.cli import broker
from sendit.config import Configuration
from sendit.records import audit


def write_down(
    configuration: Configuration,
    action: str,
    subject: str,
    *,
    actor: str = "",
    reason: str = "",
    **details: object,
) -> None:
    """Add an entry; within a transaction it stands only if that is kept.

    Parameters
    ----------
    configuration
        Says where the end of the log is kept.
    action, subject
        What is done, and to whom or to what; never an original value, never a secret.
    actor
        Empty: whoever runs the command, as this machine knows them.
    reason
        As the actor wrote it.
    details
        Counts, codes and new names.
    """
    act = audit.Act(actor or broker.user(), action, subject, reason, details)
    head_folder = configuration.settings.audit.folder
    audit.append(act, now=datetime.now(UTC), head_folder=head_folder)
