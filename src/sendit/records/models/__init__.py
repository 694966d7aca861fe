"""The tables: what is known of every Batch and Image, and what was done to them.

Django finds all tables of the application here, also those of ``audit_tables``,
``ledger_tables`` and ``people``.  What may identify a patient is an ``EncryptedField``; nothing
else may hold it.
"""

from sendit.records import audit_tables as audit_tables
from sendit.records import ledger_tables as ledger_tables
from sendit.records.models.batch import Batch, BatchIdentifiers, Image, Profile, Treatment
from sendit.records.models.counts import BatchCount, HourCount
from sendit.records.models.delivered import DeliveredInstance, DeliveredStudy
from sendit.records.models.node import Beat, Installation, Pause, TargetHealth
from sendit.records.models.recalls import Recall, RecalledStudy
from sendit.records.models.steps import Delivery, Finding, StageRun
from sendit.records.people import ApiToken, Grant

__all__ = [
    "ApiToken",
    "Batch",
    "BatchCount",
    "BatchIdentifiers",
    "Beat",
    "DeliveredInstance",
    "DeliveredStudy",
    "Delivery",
    "Finding",
    "Grant",
    "HourCount",
    "Image",
    "Installation",
    "Pause",
    "Profile",
    "Recall",
    "RecalledStudy",
    "StageRun",
    "TargetHealth",
    "Treatment",
    "audit_tables",
    "ledger_tables",
]
