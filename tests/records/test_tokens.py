from datetime import UTC, datetime, timedelta

import pytest

from sendit.errors import UsageError
from sendit.records import tokens
from sendit.records.ledger_tables import ClientToken

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 4, 10, 15, tzinfo=UTC)
DAY = timedelta(hours=24)


def test_a_token_lasts_as_long_as_it_should_by_the_services_own_clock() -> None:
    new = tokens.issue("demo", now=NOW, lifetime=DAY)

    assert tokens.client_of(new.access, now=NOW + DAY - timedelta(seconds=1)) is not None
    assert tokens.client_of(new.access, now=NOW + DAY) is None
    # The clock was put back since: what was issued "tomorrow" is good, and no longer than it was.
    assert tokens.client_of(new.access, now=NOW - timedelta(hours=2)) is not None


def test_an_expired_client_comes_back_by_its_refresh_token_once() -> None:
    old = tokens.issue("demo", now=NOW, lifetime=DAY)
    later = NOW + timedelta(days=90)

    new = tokens.exchange(old.refresh, now=later, lifetime=DAY)

    assert new is not None
    assert tokens.client_of(new.access, now=later) is not None
    assert tokens.client_of(old.access, now=NOW) is None
    assert tokens.exchange(old.refresh, now=later, lifetime=DAY) is None


def test_no_token_stands_in_the_database() -> None:
    new = tokens.issue("demo", now=NOW, lifetime=DAY)

    row = str(ClientToken.objects.values().get())

    assert new.access not in row
    assert new.refresh not in row
    assert new.access not in repr(new)


def test_a_study_ends_all_its_clients() -> None:
    kept = tokens.issue("other", now=NOW, lifetime=DAY)
    ended = [tokens.issue("demo", now=NOW, lifetime=DAY) for _ in range(2)]

    assert tokens.revoke(["demo"], now=NOW) == 2

    assert all(tokens.client_of(one.access, now=NOW) is None for one in ended)
    assert tokens.client_of(kept.access, now=NOW) is not None
    with pytest.raises(UsageError, match="no client and no study"):
        tokens.revoke(["nobody"], now=NOW)
