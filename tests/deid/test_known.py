"""What is gathered as identifying, and what is not."""

from datetime import date

import pytest

from sendit.deid.identities import Identities, Identity
from sendit.deid.known import Kind, Known, collect, collect_identities, kind_by_tag

PATIENT_NAME, PATIENT_ID, BIRTH_DATE, STUDY_DATE = 0x00100010, 0x00100020, 0x00100030, 0x00080020
STATION_NAME, INSTITUTION, STUDY_ID, SERIES_DESCRIPTION = (
    0x00081010,
    0x00080080,
    0x00200010,
    0x0008103E,
)


def letters(known: Known) -> set[str]:
    return {one.letters for one in known.identifiers}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Doe^Jane", {"doe", "jane", "doejane", "janedoe", "jdoe", "doej"}),
        ("O'Brien^Seán", {"obrien", "brien", "sean"}),
        ("Smith-Jones^Al^B", {"smithjones", "smith", "jones", "al", "albsmithjones"}),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", {"yamada", "山田", "太郎", "山田太郎", "やまた"}),
        ("Иванова^Анна", {"ivanova", "anna", "annaivanova"}),
        ("DOE, JANE", {"doe", "jane", "janedoe"}),
        ("Jane Doe", {"doe", "jane", "janedoe"}),
        ("De La Cruz^Ana", {"cruz", "ana", "delacruz"}),
        ("Le^Van", {"le", "van", "vanle"}),
        ("Müller^Eva", {"muller", "eva", "mller"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_component_and_the_full_name_are_known(name: str, expected: set[str]) -> None:
    assert expected <= letters(collect([(PATIENT_NAME, "PN", name)]))


@pytest.mark.parametrize("name", ["Anonymous", "^^^", "", "TEST^PHANTOM2", "x"])
def test_a_name_of_nobody_is_not_known(name: str) -> None:
    assert not letters(collect([(PATIENT_NAME, "PN", name)]))


def test_a_person_may_be_called_null() -> None:
    assert "null" in letters(collect([(PATIENT_NAME, "PN", "Null^Ann")]))


def test_names_of_all_persons_at_any_tag_are_known() -> None:
    known = collect([(0x00081070, "PN", "Ng^Kim\\Roe^Max"), (0x00291099, "PN", "Poe^Ed")])

    assert {"ng", "roe", "poe"} <= letters(known)


def test_a_name_in_a_private_element_is_known() -> None:
    assert "hausdorf" in letters(collect([(0x00291020, "LO", "Hausdorf^Petra")]))


def test_a_protocol_written_with_a_caret_is_no_name() -> None:
    assert not letters(collect([(SERIES_DESCRIPTION, "LO", "head^brain routine")]))


def test_ids_are_known_with_and_without_leading_zeros() -> None:
    assert {"00512345", "512345"} <= letters(collect([(PATIENT_ID, "LO", "00512345")]))


def test_a_short_study_id_is_no_identifier() -> None:
    assert not letters(collect([(STUDY_ID, "SH", "1")]))


def test_an_institution_is_known_by_its_distinctive_words_and_as_a_whole() -> None:
    known = letters(collect([(INSTITUTION, "LO", "Mayville University Hospital")]))

    assert known == {"mayville", "mayvilleuniversityhospital"}


def test_a_generic_station_name_is_no_identifier() -> None:
    assert not letters(collect([(STATION_NAME, "SH", "CT01")]))


def test_dates_of_birth_are_kept_apart() -> None:
    known = collect([(BIRTH_DATE, "DA", "19451203"), (STUDY_DATE, "DA", "20240304")])

    assert known.birth_dates == {date(1945, 12, 3)}
    assert known.dates == {date(2024, 3, 4)}


def test_malformed_dates_are_passed_over() -> None:
    assert not collect([(STUDY_DATE, "DA", "20241399\\garbage\\")]).dates


def test_folder_names_give_away_names_and_numbers_but_not_protocols() -> None:
    known = collect([], extra=["Garcia_Eva_20240304/T1_MPRAGE_0004/IM-0001-0017.dcm", "A4711099"])

    assert letters(known) == {"garcia", "a4711099", "4711099"}
    assert known.dates == {date(2024, 3, 4)}


def test_what_the_identity_service_was_asked_is_known() -> None:
    identities = Identities({("mrn 0099887", "1.2.3"): Identity("P", "S", -3)}, b"k" * 32)

    known = collect_identities(identities)

    assert letters(known) == {"mrn0099887", "mrn99887", "0099887"}
    assert known.uids == {"1.2.3"}


def test_merging_joins_and_leaving_out_a_kind_drops_it() -> None:
    one = collect([(PATIENT_ID, "LO", "ABC123")])
    other = collect([(INSTITUTION, "LO", "Mayville"), (0x0020000D, "UI", "1.2.3.4")])

    both = one | other

    assert letters(both) == {"abc123", "mayville"}
    assert both.uids == {"1.2.3.4"}
    assert letters(both.without({Kind.INSTITUTION})) == {"abc123"}


def test_a_known_does_not_show_what_it_knows() -> None:
    known = collect([(PATIENT_NAME, "PN", "Canary^One"), (PATIENT_ID, "LO", "CANARY77")])

    assert "anary" not in repr(known).lower()


def test_every_attribute_of_the_table_exists() -> None:
    assert len(kind_by_tag()) > 80


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("\\\\srv-abx\\dicom\\A23-53657", {"srvabx", "a2353657"}),
        ("http://store.abx.local/wado?studyUID=1.2.3.4.5.6", {"storeabxlocal"}),
        ("http://localhost/dicom-web/studies", set()),
    ],
)
def test_a_link_tells_its_computers_and_folders(link: str, told: set[str]) -> None:
    known = collect([(0x00081190, "UR", link)])

    assert {one.letters for one in known.identifiers} == told


def test_a_street_is_known_without_its_town() -> None:
    known = collect([(0x00101040, "LO", "PO Box 4471^75011 Paris")])

    assert {"pobox4471", "75011paris"} <= letters(known)


def test_a_folder_named_after_a_kept_station_tells_nothing_more() -> None:
    known = collect(
        [(0x00081010, "SH", "KRMCT07"), (0x00080080, "LO", "Kestrel Ridge")],
        extra=("KRMCT07", "Kestrel", "Quimby"),
    )

    assert letters(known.without({Kind.DEVICE, Kind.INSTITUTION})) == {"quimby"}
    assert letters(known.without({Kind.DEVICE})) == {"kestrelridge", "kestrel", "quimby"}
