from sendit.metrics.said import said_once


def entry(number: int, **changed: object) -> dict[str, object]:
    return {
        "time": f"2026-05-04T10:15:0{number}.123456Z",
        "stage": "deidentify",
        "code": "PHOTO",
        "message": "1 image is held.",
        "file": f"a/{number}.dcm",
        "image": 40 + number,
        "number": number,
        "target": None,
        "resolved": None,
        **changed,
    }


def test_what_was_said_of_many_files_is_said_once() -> None:
    [said] = said_once([entry(number) for number in range(1, 8)])

    assert (said.count, said.times, said.time) == (7, "(7 times)", "2026-05-04T10:15:01Z")
    assert said.places.startswith("image 1 a/1.dcm, image 2 a/2.dcm, ")
    assert said.places.endswith("image 5 a/5.dcm, and 2 more")


def test_what_differs_or_was_settled_stands_apart() -> None:
    said = said_once([entry(1), entry(2, resolved="released: seen"), entry(3, code="VIDEO")])

    assert [(one.code, one.resolved, one.times) for one in said] == [
        ("PHOTO", "", ""),
        ("PHOTO", "released: seen", ""),
        ("VIDEO", "", ""),
    ]


def test_places_that_are_forgotten_leave_nothing() -> None:
    [said] = said_once([entry(1, file=None, image=None)])

    assert said.places == ""
    assert "1.dcm" not in repr(said_once([entry(1)]))


def test_a_target_is_named_once_however_often_it_failed() -> None:
    one = entry(1, file=None, image=None, target="pacs")

    [said] = said_once([one, one])

    assert (said.places, said.times) == ("target pacs", "(2 times)")
