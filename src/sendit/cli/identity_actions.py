"""What ``sendit identity`` does, one function for each action but ``serve``."""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sendit.cli import broker
from sendit.cli.identity_server import running_address
from sendit.cli.table import table
from sendit.cli.writing_down import write_down
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.identity.allocation import Asked
from sendit.metrics.wording import count_text
from sendit.records import credentials, tokens
from sendit.records.ledger_csv import export_text, import_file
from sendit.records.merging import merge

_STUDY = re.compile(r"[a-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the command."""

    configuration: Configuration
    options: argparse.Namespace
    site_key: bytes = field(repr=False)

    def write_down(
        self, action: str, *, actor: str = "", subject: str = "", **what: object
    ) -> None:
        """Add to the audit log what is about to happen."""
        reason = str(what.pop("reason", ""))
        write_down(self.configuration, action, subject, actor=actor, reason=reason, **what)

    @property
    def head_folder(self) -> Path:
        """Where the end of the audit log is kept."""
        return self.configuration.settings.audit.folder


def token_issue(call: Call) -> Sequence[str]:
    """Write a client's secrets file."""
    study = str(call.options.study).lower()
    if not _STUDY.fullmatch(study):
        raise UsageError(f'"{study}" is no name of a study; allowed: a-z, 0-9, _ and -.')
    broker.refuse_other_kind(call.configuration, study)
    broker.refuse_closed_study(call.configuration, study)
    output: Path = call.options.output
    if output.exists():
        raise UsageError(f"{output} is there already; name another file.")
    address = str(call.options.url or running_address(call.configuration)).rstrip("/")
    lifetime = call.configuration.settings.identity_service.token_lifetime
    call.write_down("token issue", subject=study)
    new = tokens.issue(study, now=datetime.now(UTC), lifetime=lifetime)
    document = {
        "accessToken": new.access,
        "refreshToken": new.refresh,
        "client_id": new.client_id,
        "token_uri": f"{address}/token/api/v1/refresh",
    }
    credentials.write_private(output, json.dumps(document, indent=1) + "\n")
    return (
        f"Client {new.client_id} may ask about {study}. Its secrets are in {output}; "
        f"the service is {address}/identifiers/api",
    )


def token_list(_call: Call) -> Sequence[str]:
    """Show every client."""
    rows = [
        (one.client_id, one.study, f"{one.created:%Y-%m-%d}", "revoked" if one.revoked else "")
        for one in tokens.clients()
    ]
    if not rows:
        how = "sendit identity token issue --study NAME --output FILE"
        return (f'No client yet; "{how}" makes one.',)
    return table(("client", "study", "issued", ""), rows)


def token_revoke(call: Call) -> Sequence[str]:
    """End clients."""
    now = datetime.now(UTC)
    call.write_down("token revoke", subject=" ".join(call.options.client))
    count = tokens.revoke(call.options.client, now=now)
    return (f"{count} {'client' if count == 1 else 'clients'} revoked.",)


def credential_issue(call: Call) -> Sequence[str]:
    """Give somebody the right to re-identify."""
    giver = broker.holder(call.options.credential) if credentials.any_issued() else broker.user()
    output: Path = call.options.output.expanduser()
    call.write_down("credential issue", actor=giver, subject=call.options.name)
    credentials.issue(call.options.name, output=output)
    return (f"{call.options.name} may re-identify, with {output}. Keep it where only they can.",)


def credential_list(_call: Call) -> Sequence[str]:
    """Show who may re-identify."""
    rows = [
        (one.name, f"{one.created:%Y-%m-%d}", "revoked" if one.revoked else "")
        for one in credentials.all_credentials()
    ]
    if not rows:
        how = "sendit identity credential issue NAME --output FILE"
        return (f'No credential yet; "{how}" makes the first.',)
    return table(("name", "issued", ""), rows)


def credential_revoke(call: Call) -> Sequence[str]:
    """Take the right from somebody."""
    call.write_down("credential revoke", subject=call.options.name)
    credentials.revoke(call.options.name, now=datetime.now(UTC))
    return (f"{call.options.name} may no longer re-identify.",)


def import_ledger(call: Call) -> Sequence[str]:
    """Bring the names of a file into the ledger."""
    place = broker.place_of(
        call.configuration, call.options.namespace, site_key=call.site_key, naming=True
    )
    done = import_file(call.options.file, place)
    call.write_down(
        "ledger import", subject=place.namespace, patients=done.patients, studies=done.studies
    )
    return (
        f"{count_text(done.patients, 'new patient')} and "
        f"{count_text(done.studies, 'new study', 'new studies')} in namespace {place.namespace}; "
        f"there already: {count_text(done.known, 'patient')}.",
    )


def export_ledger(call: Call) -> Sequence[str]:
    """Write the ledger of a namespace into a file that identifies everybody in it."""
    place = broker.place_of(call.configuration, call.options.namespace, site_key=call.site_key)
    broker.refuse_unknown(call.configuration, place.namespace)
    # Whoever may make the first credential could export by that; later, only a holder may.
    protected = credentials.any_issued()
    actor = broker.holder(call.options.credential) if protected else broker.user()
    call.write_down(
        "ledger export", actor=actor, subject=place.namespace, reason=call.options.reason or ""
    )
    text, patients = export_text(place)
    credentials.write_private(call.options.file, text)
    return (
        f"In {call.options.file} {'is' if patients == 1 else 'are'} now "
        f"{count_text(patients, 'patient')} of namespace {place.namespace}. "
        "The file names all of them: keep it as you would the list of patients.",
    )


def merge_ids(call: Call) -> Sequence[str]:
    """Declare two ids to be one patient."""
    options = call.options
    place = broker.place_of(call.configuration, options.namespace, site_key=call.site_key)
    source = options.source or place.entity_source
    first, second = (Asked(one, source, options.issuer or "") for one in (options.a, options.b))
    done = merge(first, second, namespace=place.namespace, digests=place.digests)
    if done.before:
        return (f"Both ids are {done.kept} already; nothing was done.",)
    call.write_down(
        "ledger merge", subject=done.kept, given_up=done.given_up, namespace=place.namespace
    )
    was = f" What was delivered as {done.given_up} stays as it is." if done.given_up else ""
    return (f"Both ids are {done.kept} from now on, with the same shift of dates.{was}",)


ACTIONS: Mapping[tuple[str, str | None], Callable[[Call], Sequence[str]]] = {
    ("token", "issue"): token_issue,
    ("token", "list"): token_list,
    ("token", "revoke"): token_revoke,
    ("credential", "issue"): credential_issue,
    ("credential", "list"): credential_list,
    ("credential", "revoke"): credential_revoke,
    ("import", None): import_ledger,
    ("export", None): export_ledger,
    ("merge", None): merge_ids,
}
