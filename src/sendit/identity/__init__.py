"""Plug-ins that say under which name a patient goes on."""

from sendit.identity.base import (
    IdentityContext,
    IdentityRequest,
    IdentityService,
    PatientRequest,
    StudyRequest,
    no_progress,
)
from sendit.identity.complete import complete_request
from sendit.identity.keys import derive
from sendit.identity.matching import Matching
from sendit.identity.store import LedgerStore

__all__ = [
    "IdentityContext",
    "IdentityRequest",
    "IdentityService",
    "LedgerStore",
    "Matching",
    "PatientRequest",
    "StudyRequest",
    "complete_request",
    "derive",
    "no_progress",
]
