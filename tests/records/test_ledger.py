import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sendit.config import Configuration
from sendit.errors import IdentityError
from sendit.identity import IdentityContext, IdentityService, Matching
from sendit.identity.allocation import (
    AllocationOptions,
    Allocator,
    Asked,
    AskedPatient,
    Digests,
)
from sendit.identity.registry import build
from sendit.records.ledger import DatabaseLedger, known_query
from sendit.records.ledger_tables import LedgerId, LedgerItem, LedgerPatient
from tests.contracts.identity_services import SITE_KEY, IdentityContract, ask

if TYPE_CHECKING:
    from sendit.deid.identities import Identities

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_this_process")]


def make(
    namespace: str = "irb-1",
    *,
    project: str = "irb-1",
    matching: Matching | None = None,
    **options: Any,
) -> IdentityService:
    context = IdentityContext(
        SITE_KEY, namespace, project, matching=matching or Matching(), ledger=DatabaseLedger()
    )
    return build("ledger", options, context=context)


class TestLedger(IdentityContract):
    @pytest.fixture
    def service(self) -> IdentityService:
        return make()


ONE = (("A-1", "1.2.1", "ACC1"),)


def test_names_are_drawn_and_kept() -> None:
    first = make().identify(ask(*ONE, ("B-2", "1.2.3", "ACC3")))
    later = make().identify(ask(("B-2", "1.9.9", "ACC9"), *ONE))

    assert later.of("A-1", "1.2.1") == first.of("A-1", "1.2.1")
    old, new = first.of("B-2", "1.2.3"), later.of("B-2", "1.9.9")
    assert (old.patient_pseudonym, old.shift_days) == (new.patient_pseudonym, new.shift_days)
    assert old.study_pseudonym != new.study_pseudonym
    assert re.fullmatch("[B-Z]{12}", old.patient_pseudonym)


def test_projects_that_share_a_namespace_share_names_and_days_and_others_do_not() -> None:
    here = make("lung", project="one").identify(ask(*ONE)).of("A-1", "1.2.1")
    there = make("lung", project="two", prefix="ZZ").identify(ask(*ONE)).of("A-1", "1.2.1")
    elsewhere = make("heart").identify(ask(*ONE)).of("A-1", "1.2.1")

    assert here == there
    assert elsewhere.patient_pseudonym != here.patient_pseudonym


def test_counted_names_have_a_prefix_and_no_gap() -> None:
    answers = make(prefix="IR", suid="counter").identify(ask(*ONE, ("B-2", "1.2.3", "ACC3")))

    names = [answers.of("A-1", "1.2.1"), answers.of("B-2", "1.2.3")]
    assert sorted(
        name for one in names for name in (one.patient_pseudonym, one.study_pseudonym)
    ) == ["IR1001", "IR1002", "IR1003", "IR1004"]


def test_a_shift_comes_from_the_range_and_is_never_zero() -> None:
    answers = make(shift_days=(-1, 1)).identify(ask(*[(f"P{n}", "1.2", "A") for n in range(40)]))

    assert {one.shift_days for one in answers.answers.values()} == {-1, 1}


@pytest.mark.parametrize(
    ("ignore", "spellings"),
    [
        ({"case"}, [" ab 1", "AB  1 ", "ab 1"]),
        ({"case", "spaces"}, ["ab 1", "AB1", "a b 1"]),
        ({"leading-zeros"}, ["0071", "71", "000071"]),
        ({"hyphens"}, ["7-1", "71"]),
    ],
    ids=["case", "spaces", "zeros", "hyphens"],
)
def test_spellings_that_do_not_count_are_one_patient(
    ignore: set[str], spellings: Sequence[str]
) -> None:
    service = make(matching=Matching(frozenset(ignore)))

    answers = service.identify(ask(*[(one, f"1.{n}", "A") for n, one in enumerate(spellings)]))

    assert len({one.patient_pseudonym for one in answers.answers.values()}) == 1
    assert LedgerPatient.objects.count() == 1


@pytest.mark.parametrize(
    ("ignore", "spellings"),
    [(set(), ["ab1", "AB1"]), ({"case"}, ["0071", "71"]), ({"case"}, ["7-1", "71"])],
    ids=["case", "zeros", "hyphens"],
)
def test_spellings_that_count_are_two_patients(ignore: set[str], spellings: Sequence[str]) -> None:
    service = make(matching=Matching(frozenset(ignore)))

    service.identify(ask(*[(one, f"1.{n}", "A") for n, one in enumerate(spellings)]))

    assert LedgerPatient.objects.count() == 2


def _of_two_hospitals(second_uid: str) -> Any:
    request = ask(("71", "1.2.1", "A"), ("72", second_uid, "B"))
    north, south = request.patients
    object.__setattr__(north, "issuer", "North")
    object.__setattr__(south, "issuer", "South")
    object.__setattr__(south, "patient_id", "71")
    return request


def test_the_issuer_tells_patients_apart_where_the_project_says_so() -> None:
    by_issuer = make(matching=Matching(by_issuer=True)).identify(_of_two_hospitals("1.2.2"))
    together = make("other").identify(_of_two_hospitals("1.2.2"))

    assert len({one.patient_pseudonym for one in by_issuer.answers.values()}) == 2
    assert len({one.patient_pseudonym for one in together.answers.values()}) == 1


def test_two_patients_in_one_study_stop_the_batch() -> None:
    with pytest.raises(IdentityError, match="one Study Instance UID in common"):
        make(matching=Matching(by_issuer=True)).identify(_of_two_hospitals("1.2.1"))


def test_a_known_patient_costs_one_indexed_read() -> None:
    make().identify(ask(*ONE, *[(f"P{n}", f"1.3.{n}", f"X{n}") for n in range(200)]))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        make().identify(ask(*ONE))

    assert len(queries) == 1
    assert queries[0]["sql"].strip().startswith("SELECT")


def test_the_read_uses_the_indexes() -> None:
    make().identify(ask(*[(f"P{n}", f"1.3.{n}", f"X{n}") for n in range(500)]))
    digest = LedgerId.objects.first().digest  # type: ignore[union-attr]
    item = LedgerItem.objects.first().digest  # type: ignore[union-attr]
    sql, parameters = known_query("irb-1", [digest], [item])
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # so few rows would be read through
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{explain} {sql}", parameters)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())

    assert not re.search("(?:SCAN|Seq Scan)", plan), plan
    assert len(re.findall("(?:SEARCH|Index Scan using|Index Only Scan using)", plan)) >= 3, plan


def _allocator(**options: Any) -> Allocator:
    return Allocator(
        DatabaseLedger(),
        namespace="irb-1",
        digests=Digests.of(SITE_KEY, namespace="irb-1", matching=Matching(), own_key=None),
        options=AllocationOptions(**options),
    )


def _asked(patient: str, *items: str, custom: dict[str, str] | None = None) -> AskedPatient:
    return AskedPatient(
        Asked(patient, "MRN", custom=custom or {}), tuple(Asked(item, "ACC") for item in items)
    )


def test_custom_fields_are_replaced_kept_and_removed() -> None:
    allocator = _allocator()
    allocator.allocate([_asked("A", "1", custom={"a": "1", "b": "2"})])
    allocator.allocate([_asked("A", "1", custom={"b": "3", "c": "4"})])
    allocator.allocate([_asked("A", "1", custom={"a": ""})])

    found = allocator.look_up([_asked("A", "1")])[0]

    assert found is not None
    assert found.custom == {"b": "3", "c": "4"}


def test_looking_up_writes_nothing() -> None:
    _allocator().allocate([_asked("A", "1")])

    found = _allocator().look_up([_asked("A", "1", "2"), _asked("B", "1")])

    assert [one and len(one.items) for one in found] == [1, None]
    assert LedgerPatient.objects.count() == LedgerItem.objects.count() == 1


def test_two_sources_of_one_number_are_two_patients() -> None:
    other = AskedPatient(Asked("A", "other hospital"), (Asked("1", "ACC"),))

    one, two = _allocator().allocate([_asked("A", "1"), other])

    assert one.suid != two.suid


def test_without_a_database_there_is_no_ledger() -> None:
    service = build("ledger", {}, context=IdentityContext(SITE_KEY, "irb-1", "irb-1"))

    with pytest.raises(IdentityError, match="hand its studies in through an inbox"):
        service.identify(ask(*ONE))


def test_a_batch_is_named_by_the_ledger(in_this_process: Configuration) -> None:
    identities: Identities = make().identify(ask(*ONE))

    kept = LedgerId.objects.get()
    assert kept.content == {
        "id": "A-1",
        "source": "Stanford MRN",
        "timestamp": "1950-03-02T00:00:00Z",
    }
    assert kept.patient.suid == identities.of("A-1", "1.2.1").patient_pseudonym
