"""The dictionaries say what pydicom says, and nobody pays for pydicom to read them."""

import subprocess
import sys

import pytest
from pydicom import datadict
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._private_dict import private_dictionaries
from pydicom._uid_dict import UID_dictionary

from sendit import dictionary


def test_every_attribute_is_the_one_of_pydicom() -> None:
    # Another library may have added entries to pydicom's own.
    assert dictionary.ATTRIBUTES.items() <= DicomDictionary.items()
    assert dictionary.UIDS.items() <= UID_dictionary.items()
    assert dictionary.TAGS.items() <= datadict.keyword_dict.items()
    assert len(dictionary.TAGS) > 5000 < len(dictionary.ATTRIBUTES)
    assert "" not in dictionary.TAGS
    for tag in dictionary.ATTRIBUTES:
        assert dictionary.entry_of(tag) == datadict.get_entry(tag)
        assert dictionary.listed_vr(tag) == datadict.dictionary_VR(tag)
        assert dictionary.keyword_of(tag) == datadict.keyword_for_tag(tag)


@pytest.mark.parametrize("digit", ["0", "2", "8", "E"])
def test_a_repeating_group_is_found_by_each_of_its_tags(digit: str) -> None:
    for pattern in RepeatersDictionary:
        tag = int(pattern.replace("x", digit), 16)
        assert dictionary.entry_of(tag) == datadict.get_entry(tag)


@pytest.mark.parametrize("tag", [0x00090010, 0x60010010, 0x00081111 + 0x7000, 0x7FE00099])
def test_what_the_standard_does_not_have_is_not_found(tag: int) -> None:
    assert dictionary.keyword_of(tag) == ""
    with pytest.raises(KeyError):
        dictionary.entry_of(tag)


def test_private_elements_are_found_in_every_block() -> None:
    found = 0
    for creator, listed in private_dictionaries.items():
        for pattern in listed:
            tag = int(pattern.replace("xx", "10").replace("x", "1"), 16)
            try:
                expected = datadict.private_dictionary_description(tag, creator)
            except KeyError:  # a key of that list that no tag can have
                expected = ""
            assert dictionary.private_name(tag, creator) == expected
            found += bool(expected)
    assert found > 5000
    assert dictionary.private_name(0x00091002, "NOBODY 1.0") == ""


def test_neither_the_engine_nor_a_configuration_brings_pydicom_or_numpy() -> None:
    script = (
        "import sys, sendit.deid, sendit.config\n"
        "print(sorted({'pydicom', 'numpy', 'gdcm', 'django'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
