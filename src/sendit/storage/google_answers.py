"""What Google's services answer: JSON, and errors with a reason.

Only the reason of an error is shown, never what else it says: it may repeat a request.
"""

import json
from collections.abc import Mapping
from typing import Any

from sendit.errors import TargetError, TargetQuotaUsed, TargetRefused, TargetUnavailable
from sendit.storage.cloud_http import BUSY, Told

LATER: Mapping[str, str] = {
    "rateLimitExceeded": "it is asked too much; it is tried again",
    "userRateLimitExceeded": "it is asked too much; it is tried again",
    "backendError": "it is tried again",
    "internalError": "it is tried again",
    "jobBackendError": "it is tried again",
    "jobInternalError": "it is tried again",
    "jobRateLimitExceeded": "it is asked too much; it is tried again",
}
"""Reasons that pass, of an answer or of a job (BigQuery's page on error messages)."""
QUOTAS = ("quotaExceeded", "dailyLimitExceeded")
"""Reasons that pass when a quota is renewed, after minutes or at the end of the day."""
QUOTA_USED = (
    "a quota of the project is used up. It is tried again for two days, each hour at last; raise "
    "the quota (Google Cloud console, IAM & Admin, Quotas) if it is not renewed"
)
_NEVER: Mapping[str, str] = {
    "accountDisabled": "the account is disabled; see its billing",
    "accessNotConfigured": "its interface is not enabled for the project; enable it there",
    "billingNotEnabled": "the project has no billing account; give it one",
    "userProjectMissing": "the bucket is paid for by who asks; another bucket is needed",
    "responseTooLarge": "the answer would be too large",
}


def read_json(told: Told) -> dict[str, Any]:
    """Return an answer's object; an empty one where it is none."""
    try:
        document = json.loads(told.body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def reason_of(told: Told) -> str:
    """Return the reason of an error, one word."""
    return first_reason(read_json(told).get("error"))


def first_reason(error: object) -> str:
    """Return the reason of an error object, one word; nothing where it has none."""
    match error:
        case {"errors": [{"reason": str(reason)}, *_]} | {"reason": str(reason)}:
            return reason if reason.isalnum() else ""
    return ""


def says(told: Told, words: str) -> bool:
    """Say whether an answer holds some words; the answer itself is not shown."""
    return words.encode() in told.body


def no_store(location: str) -> TargetError:
    """Return the error about a server that speaks another language."""
    return TargetRefused(f"{location} does not answer as Google's store; see endpoint.")


def explain(told: Told, *, location: str, rights: str, missing: str, endpoint: str) -> TargetError:
    """Return the error that an answer stands for, with its remedy.

    Parameters
    ----------
    location
        What was asked.
    rights
        Which rights are needed there.
    missing
        What to do when it is not there.
    endpoint
        The option that says where it is.
    """
    reason = reason_of(told)
    shown = f"{told.status} {reason}".strip()
    if reason in QUOTAS:
        return TargetQuotaUsed(f"{location} answers {shown}: {QUOTA_USED}.")
    if reason in LATER:
        return TargetUnavailable(f"{location} answers {shown}: {LATER[reason]}.")
    if reason in _NEVER:
        return TargetRefused(f"{location} answers {shown}: {_NEVER[reason]}.")
    if told.status == 401:
        return TargetRefused(
            f"{location} refuses our credentials ({shown}): they are wrong or have expired. Make "
            "new ones, then retry the batch."
        )
    if told.status == 403:
        return TargetRefused(f"{location} answers {shown}: the account lacks a right; {rights}.")
    if told.status == 404:
        return TargetRefused(f"{location} is not there ({shown}); {missing}.")
    if told.status == 400 and says(told, "uniform bucket-level access"):
        return TargetRefused(
            f"{location} knows no rights of single objects ({shown}); set acl of the target to "
            '"bucket".'
        )
    if told.status == 400 and says(told, "doesn't match"):
        return TargetUnavailable(
            f"{location} got other bytes than were sent ({shown}); it is tried again."
        )
    if told.status == 411:
        return TargetRefused(
            f"{location}, or a proxy before it, takes nothing whose length is not known before "
            "(411). Let it take chunks (Transfer-Encoding), or set layout of the target to "
            '"tree".'
        )
    if told.status in (405, 501):
        return TargetRefused(f"{location} does not answer as Google's ({shown}); see {endpoint}.")
    if told.status in BUSY or told.status in (408, 409):
        return TargetUnavailable(f"{location} answers {shown}; it is tried again.")
    return TargetError(f"{location} answers {shown}; see its log, then retry the batch.")
