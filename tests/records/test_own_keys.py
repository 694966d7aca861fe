"""What the names of a namespace hang on is decided once, and everybody is held to it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from sendit.config import Configuration
from sendit.config.own_keys import own_key_file
from sendit.config.project_sections import IdentitySettings
from sendit.deid import Identities
from sendit.errors import IdentityError, KeyProblem
from sendit.identity import IdentityContext, registry
from sendit.identity.registry import build
from sendit.pipeline.preparation import prepare
from sendit.records.ledger import DatabaseLedger
from sendit.records.ledger_tables import LedgerNamespace, NamespaceKey
from sendit.records.own_keys import key_for_naming, key_of_names, require_own_keys
from tests.contracts.identity_services import ask

KEYED = registry.options_model("keyed")()
SITE = IdentitySettings(namespace="a", options=KEYED)
OWN = IdentitySettings(namespace="a", own_key=True, options=KEYED)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def settings_of(in_this_process: Configuration) -> Any:
    prepare(in_this_process)
    return in_this_process.settings


def test_the_first_to_name_somebody_decides(settings_of: Any) -> None:
    assert key_of_names(settings_of, "a", OWN) is None
    assert not NamespaceKey.objects.exists()

    key = key_for_naming(settings_of, "a", OWN)
    none = key_for_naming(settings_of, "b", SITE)

    assert key is not None
    assert none is None
    assert key_for_naming(settings_of, "a", OWN) == key
    assert key_of_names(settings_of, "a", None) == key
    for namespace, own in (("a", SITE), ("b", OWN)):
        for look in (key_for_naming, key_of_names):
            with pytest.raises(IdentityError, match="own_key = "):
                look(settings_of, namespace, own)


def test_many_who_begin_at_once_agree(settings_of: Any) -> None:
    def begin(_: int) -> bytes | None:
        try:
            return key_for_naming(settings_of, "a", OWN)
        finally:
            connection.close()

    at_once = 4 if connection.vendor == "postgresql" else 1  # a SQLite in memory has one writer
    with ThreadPoolExecutor(at_once) as pool:
        assert len(set(pool.map(begin, range(12)))) == 1


def test_a_key_that_is_gone_or_another_one_is_missed(settings_of: Any) -> None:
    key_for_naming(settings_of, "a", OWN)
    assert require_own_keys(settings_of) == 1
    path = own_key_file(settings_of, "a")
    path.unlink()

    for look in (key_for_naming, key_of_names):
        with pytest.raises(KeyProblem, match="is missing"):
            look(settings_of, "a", OWN)
    with pytest.raises(KeyProblem, match="is missing"):
        require_own_keys(settings_of)

    path.touch(mode=0o600)
    path.write_text("00" * 32)
    with pytest.raises(KeyProblem, match="not the one that was used"):
        require_own_keys(settings_of)


def test_a_closed_namespace_gets_no_key(settings_of: Any) -> None:
    key_for_naming(settings_of, "a", OWN)
    for name in ("a", "new"):
        LedgerNamespace.objects.create(name=name, closed="2026-05-04T10:15:00Z")
    own_key_file(settings_of, "a").unlink()

    for name in ("a", "new"):
        with pytest.raises(IdentityError, match="were destroyed"):
            key_for_naming(settings_of, name, OWN)

    assert not own_key_file(settings_of, "new").exists()
    assert require_own_keys(settings_of) == 0


@pytest.mark.parametrize("kind", ["keyed", "ledger"])
def test_another_key_makes_other_names_uids_and_shifts(kind: str, settings_of: Any) -> None:
    patients = [(f"P{n}", f"1.2.{n}", f"ACC{n}") for n in range(20)]

    def named(own_key: bytes | None) -> Identities:
        context = IdentityContext(
            bytes(32),
            "a" if kind == "keyed" else f"a-{own_key}",
            "p",
            own_key=own_key,
            ledger=DatabaseLedger(),
        )
        return build(kind, {}, context=context).identify(ask(*patients))

    names = [named(key) for key in (None, b"a" * 32, b"b" * 32)]

    assert len({one.uid_key for one in names}) == 3
    for part in ("patient_pseudonym", "study_pseudonym"):
        drawn = {getattr(i, part) for one in names for i in one.answers.values()}
        assert len(drawn) == 60
    shifts = {tuple(i.shift_days for i in one.answers.values()) for one in names}
    assert len(shifts) == 3
