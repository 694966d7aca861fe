"""Plug-ins that say under which name a patient goes on."""

from sendit.identity.base import (
    IdentityContext,
    IdentityRequest,
    IdentityService,
    PatientRequest,
    StudyRequest,
)
from sendit.identity.complete import complete_request
from sendit.identity.keys import derive

__all__ = [
    "IdentityContext",
    "IdentityRequest",
    "IdentityService",
    "PatientRequest",
    "StudyRequest",
    "complete_request",
    "derive",
]
