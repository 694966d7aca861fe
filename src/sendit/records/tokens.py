"""Tokens of the identity service's clients: issued, exchanged, revoked.

Only digests are kept: whoever reads the database cannot speak for a client.  A token is for
one study, and for ``test``.  All times are this database's owner's; a client's clock counts
for nothing.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sendit.errors import UsageError
from sendit.records.ledger_tables import ClientToken


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens, seen only by whom they are for."""

    client_id: str
    access: str = field(repr=False)
    refresh: str = field(repr=False)


def issue(study: str, *, now: datetime, lifetime: timedelta) -> Tokens:
    """Let a new client ask about one study."""
    tokens = _new(f"{study}-{secrets.token_hex(4)}"[-64:])
    ClientToken.objects.create(
        client_id=tokens.client_id,
        study=study,
        access_digest=_digest(tokens.access),
        refresh_digest=_digest(tokens.refresh),
        expires=now + lifetime,
    )
    return tokens


def client_of(access: str, *, now: datetime) -> ClientToken | None:
    """Return whose token this is; None when it is nobody's, expired, or revoked."""
    client = ClientToken.objects.filter(access_digest=_digest(access), revoked=None).first()
    return client if client is not None and client.expires > now else None


def exchange(refresh: str, *, now: datetime, lifetime: timedelta) -> Tokens | None:
    """Replace both tokens of a client; None when the refresh token was used or revoked."""
    kept = ClientToken.objects.filter(refresh_digest=_digest(refresh), revoked=None)
    client_id = kept.values_list("client_id", flat=True).first()
    if client_id is None:
        return None
    tokens = _new(client_id)
    # Of two that come with one token, the first wins: the digest is part of the condition.
    moved = kept.update(
        access_digest=_digest(tokens.access),
        refresh_digest=_digest(tokens.refresh),
        expires=now + lifetime,
    )
    return tokens if moved else None


def revoke(names: Sequence[str], *, now: datetime) -> int:
    """End clients, or all clients of studies; return how many.

    Raises
    ------
    sendit.errors.UsageError
        When a name is neither a client nor a study that has one.
    """
    count = 0
    for name in names:
        clients = ClientToken.objects.filter(client_id=name)
        clients = clients if clients.exists() else ClientToken.objects.filter(study=name)
        if not clients.exists():
            raise UsageError(
                f'There is no client and no study "{name}"; "sendit identity token list" shows '
                "them all."
            )
        count += clients.filter(revoked=None).update(revoked=now)
    return count


def clients() -> Sequence[ClientToken]:
    """Return every client, oldest first."""
    return list(ClientToken.objects.order_by("pk"))


def _new(client_id: str) -> Tokens:
    return Tokens(client_id, secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
