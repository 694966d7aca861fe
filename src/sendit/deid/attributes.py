"""Attributes and VRs that the engine treats in a way of their own, by tag.

What the table of PS3.15 says of all others is told in ``profile``.
"""

from typing import Final

STAMPS: Final = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303))
"""Attributes that say what was done; always written anew."""
ALWAYS_THERE: Final = frozenset((0x00080005, 0x00080050, 0x00100010, 0x00100020))
"""Attributes that a result has, whether the original had them or not."""
ROLES: Final = {
    0x00080005: "charset",
    0x00080008: "image_type",
    0x00080016: "sop_class",
    0x00080018: "sop_instance",
    0x00080020: "study_date",
    0x00080050: "accession_number",
    0x00080060: "modality",
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x0020000D: "study",
    0x0020000E: "series",
    0x00280002: "samples",
    0x00280004: "photometric",
    0x00280008: "frames",
    0x00280010: "rows",
    0x00280011: "columns",
    0x00280100: "bits_allocated",
    0x00280101: "bits_stored",
    0x00280102: "high_bit",
    0x00280103: "representation",
    0x00280301: "burned_in",
}
"""Attributes of the outermost level that the engine reads for itself."""
PATIENT_NAMES: Final = frozenset((0x00100010, 0x00100020))
STUDY_NAMES: Final = frozenset((0x00080050, 0x00200010))
CLASS_UIDS: Final = frozenset(
    (
        *(0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x00081150, 0x0008115A),
        *(0x00083002, 0x0040DB06, 0x0040DB07),
    )
)
"""UIDs that name a class: the same for everybody."""
CODE_VALUE: Final = 0x00080100
CODING_SCHEME: Final = 0x00080102
CODE_MEANING: Final = 0x00080104
CONCEPT_NAME: Final = 0x0040A043
CONTENT_DATES: Final = frozenset((0x0040A120, 0x0040A121))
NUMERIC_VALUE: Final = 0x0040A30A
PRECISE_VALUE: Final = 0x0040A161
"""The same number once more, as a double."""
UNITS: Final = 0x004008EA
TEXT_VALUE: Final = 0x0040A160
"""What a TEXT item of a report says; such an item may not be without (PS3.3 C.17.3.2)."""
GRAPHIC_TEXT: Final = 0x00700006
"""Text of a presentation state; Table E.1-1 speaks of the sequence around it only."""
MAKERS: Final = frozenset(
    (
        *(0x00080070, 0x00080222, 0x00081090, 0x00181016, 0x00181017, 0x00181018, 0x00181019),
        *(0x0018101A, 0x0018101B, 0x00181020, 0x0018702A, 0x0018702B, 0x00189041, 0x00189050),
        *(0x00189526, 0x300A0238, 0x300A0298, 0x3010001A),
    )
)
"""Manufacturers, models and software: full of numbers and dates that are nobody's."""
TEXT_VRS: Final = frozenset((b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"UR", b"AE"))
LONGEST: Final = {
    **dict.fromkeys((b"AE", b"CS", b"DS", b"SH"), 16),
    **dict.fromkeys((b"LO", b"PN", b"UI"), 64),
    **{b"AS": 4, b"DA": 8, b"IS": 12, b"TM": 14, b"DT": 26, b"ST": 1024, b"LT": 10240},
}
"""Letters that one value may have, by VR (PS3.5 6.2); VRs without a limit are not here."""
SAMPLES: Final = frozenset((0x0028, 0x5400, 0x7FE0))
"""Groups of words that are samples or tables of them."""
GEOMETRY: Final = frozenset((0x0020, 0x0028, 0x0054, 0x0070, 0x7FE0))
"""Groups of numbers that differ from slice to slice."""
TERMS: Final = frozenset((0x00080060, 0x00080061, 0x00080068, 0x00185100, 0x0040A010, 0x0040A040))
"""Code strings that hold a defined term."""
CODES: Final = frozenset((0x00080100, 0x00080102, 0x00080104, 0x00080119, 0x00080120))
"""What makes a coded term; searched by the release check, not rewritten (but for the meaning
of a site's own code)."""
CODE_PARENTS: Final = frozenset((0x00401101, 0x00080082))
"""Code sequences that name a person or a place, when they have to be there (action D)."""
KEPT_DEVICE: Final = "option:retain-device-identity"
KEPT_PLACE: Final = "option:retain-institution-identity"
