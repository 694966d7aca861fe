"""Everything that sendit raises on purpose.

::

    SenditError
    ├── ConfigurationInvalid     the files say something impossible; every problem is listed
    ├── UsageError               a command was asked for something that cannot be
    │   └── ChangedMeanwhile     what a decision rests on is not so any more
    ├── KeyProblem               a key is missing, changed or unreadable
    ├── AuditBroken              an entry of the audit log was changed or is missing
    ├── NotAllowed               the right for this is missing
    ├── SignInRefused            a provider's answer lets nobody in
    ├── SchemaMismatch           the database belongs to another version
    ├── DatabaseLost             the database knows nothing of what was done here
    ├── DatabaseReadOnly         the database takes no changes          (retryable)
    ├── BrokerUnavailable        Redis did not answer                   (retryable)
    ├── ImageError               one file cannot go on; carries a ``terms.Reason``
    │   ├── Unreadable           it is not DICOM, truncated, malformed…
    │   ├── Excluded             a filter of the project leaves it out
    │   ├── Held                 a person must decide
    │   └── Rejected             it may not leave
    ├── StageError               one stage of one batch failed
    │   ├── BatchStopped         it cannot go on without a person
    │   ├── LeaseLost            somebody else has taken over; write nothing
    │   ├── Interrupted          the worker was told to stop            (retryable)
    │   ├── DeadlineExceeded     the stage took longer than it may      (retryable)
    │   ├── VolumeMissing        a working volume is not mounted        (retryable)
    │   └── DiskFull             no room left on a working volume       (retryable)
    ├── IdentityError            the identity service's answer cannot be used
    │   └── IdentityUnavailable  it did not answer                      (retryable)
    └── TargetError              a target refused
        ├── TargetUnavailable    it did not answer, or answered 5xx     (retryable)
        │   └── TargetQuotaUsed  a quota is used up until it is renewed (retryable)
        ├── TargetFull           it has no room                         (retryable)
        ├── TargetRefused        it does not take it: credentials, rights, a SOP Class
        ├── TargetConflict       other content stands under the name
        ├── VerificationFailed   it does not hold what was sent
        │   └── InstancesMissing it lost some of it, and holds the rest     (retryable)
        └── NotYetProven         it cannot say yet                      (retryable)

``retryable`` answers the only question the runner asks: can trying again later help?
Messages never hold a value from a header or a name from an inbox.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from sendit.terms import Reason


class SenditError(Exception):
    """Base class; ``code`` is the word that ``errors`` in ``status --json`` shows."""

    retryable: ClassVar[bool] = False
    code: ClassVar[str] = "ERROR"


class ConfigurationInvalid(SenditError):
    """The configuration cannot be used; the message holds one problem a line."""

    code = "CONFIGURATION"


class UsageError(SenditError):
    """The request does not fit the state of things (unknown batch, nothing to retry…)."""

    code = "USAGE"


class ChangedMeanwhile(UsageError):
    """What a person has decided on is not what it was when they looked."""

    code = "CHANGED"


class KeyProblem(SenditError):
    """A key file is missing, unreadable, or not the one this installation has used so far."""

    code = "KEY"


class AuditBroken(SenditError):
    """An entry of the audit log was changed or is missing; names the first one."""

    code = "AUDIT"


class NotAllowed(SenditError):
    """Whoever asks has not the right for it."""

    code = "NOT_ALLOWED"


class SignInRefused(SenditError):
    """What came back from the provider (OpenID Connect) says not, or not surely, who is there."""

    code = "SIGN_IN"


class SchemaMismatch(SenditError):
    """The tables are those of another version of sendit."""

    code = "SCHEMA"


class DatabaseLost(SenditError):
    """Work was done here that the database knows nothing of: it is another one, or a new one."""

    code = "DATABASE_LOST"


class DatabaseReadOnly(SenditError):
    """The database answers, and takes no changes."""

    retryable = True
    code = "DATABASE_READ_ONLY"


class BrokerUnavailable(SenditError):
    """The broker did not answer."""

    retryable = True
    code = "BROKER_UNAVAILABLE"


class ImageError(SenditError):
    """One file cannot go on.

    Parameters
    ----------
    reason
        The code of INTERFACES: one word that is safe to show.
    detail
        The tag or the rule concerned, never a value.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["ImageError"], tuple[Reason, str]]:
        return type(self), (self.reason, self.detail)


class Unreadable(ImageError):
    """The file cannot be read as a DICOM instance."""

    code = "UNREADABLE"


class Excluded(ImageError):
    """A filter of the project leaves the instance out; not an error."""

    code = "EXCLUDED"


class Held(ImageError):
    """The instance waits for a person; it has no result."""

    code = "HELD"


class Rejected(ImageError):
    """The instance may not leave."""

    code = "REJECTED"


class StageError(SenditError):
    """One stage of one batch failed."""

    code = "STAGE"


class BatchStopped(StageError):
    """The batch cannot go on without a person."""

    code = "STOPPED"


class LeaseLost(StageError):
    """The claim has lapsed and somebody else may be at work; nothing may be written."""

    code = "LEASE_LOST"


class Interrupted(StageError):
    """The worker was told to stop; somebody else goes on."""

    retryable = True
    code = "INTERRUPTED"


class DeadlineExceeded(StageError):
    """The stage took longer than it may."""

    retryable = True
    code = "DEADLINE"


class VolumeMissing(StageError):
    """A working volume is not mounted: its sentinel file is not there."""

    retryable = True
    code = "VOLUME_MISSING"


class DiskFull(StageError):
    """There is no room left on a working volume."""

    retryable = True
    code = "DISK_FULL"


class IdentityError(SenditError):
    """The identity service's answer cannot be used."""

    code = "IDENTITY"


class IdentityUnavailable(IdentityError):
    """The identity service did not answer."""

    retryable = True
    code = "IDENTITY_UNAVAILABLE"


class TargetError(SenditError):
    """A target refused the package; ``target`` is its name once the pipeline knows it.

    Parameters
    ----------
    message
        What happened, at which instance (by its new UID), and what to do.
    failures
        What the target said of each instance, by new SOP Instance UID.  Those of the package
        that are not named are as they should be, if any is named.
    """

    code = "TARGET"
    target: str = ""
    again_after: timedelta = timedelta(0)
    """So long the target asks us to wait."""

    def __init__(self, message: str = "", *, failures: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.failures: Mapping[str, str] = dict(failures or {})


class TargetUnavailable(TargetError):
    """The target did not answer, or answered 429 or 5xx."""

    retryable = True
    code = "TARGET_UNAVAILABLE"


class TargetQuotaUsed(TargetUnavailable):
    """A quota at the target is used up; it is renewed after minutes or hours.

    Waiting for that uses up no try.
    """

    code = "TARGET_QUOTA"


class TargetFull(TargetError):
    """The target has no room."""

    retryable = True
    code = "TARGET_FULL"


class TargetRefused(TargetError):
    """The target does not take it, today or tomorrow: credentials, rights, a SOP Class."""

    code = "TARGET_REFUSED"


class TargetConflict(TargetError):
    """Other content stands at the target under a name that the package needs."""

    code = "TARGET_CONFLICT"


class VerificationFailed(TargetError):
    """The target does not hold what was sent."""

    code = "VERIFICATION_FAILED"


class InstancesMissing(VerificationFailed):
    """The target took what it does not hold; nothing that it holds is wrong.

    ``failures`` names what is missing; that is sent again.
    """

    retryable = True
    code = "INSTANCES_MISSING"


class NotYetProven(TargetError):
    """The target cannot say yet whether it holds the package."""

    retryable = True
    code = "NOT_YET_PROVEN"
