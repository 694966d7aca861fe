"""What is known of each instance that goes to a DICOM peer, and what the peer must accept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from sendit.deid import read_header
from sendit.storage.base import IdentifiedPackage, Package
from sendit.storage.dicom_negotiation import MAX_CONTEXTS, Syntax
from sendit.storage.outgoing import FileMeta, Outgoing, outgoing, outgoing_identified, read_meta

PLAIN: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""What nearly every peer takes: little endian, explicit and implicit VR."""
Series = tuple[str, str]
"""Study Instance UID and Series Instance UID."""


@dataclass(frozen=True, slots=True)
class Item:
    """One instance."""

    outgoing: Outgoing
    meta: FileMeta
    series: Series = field(repr=False)

    @property
    def key(self) -> str:
        """What receipts call it."""
        return self.outgoing.key

    @property
    def uid(self) -> str:
        """Its SOP Instance UID."""
        return self.meta.sop_instance_uid

    @property
    def syntax(self) -> Syntax:
        """What the peer must accept to take it as it is."""
        return self.meta.sop_class_uid, self.meta.transfer_syntax_uid


def items_of(package: Package) -> Sequence[Item]:
    """Return the instances of a package."""
    series = {
        one.sop_instance_uid: (study.study_instance_uid, PurePosixPath(one.file).parent.name)
        for study in package.studies
        for one in study.instances
    }
    return [Item(one, read_meta(one), series[one.key]) for one in outgoing(package)]


def items_of_identified(package: IdentifiedPackage) -> Sequence[Item]:
    """Return the instances of a package of originals."""
    items = []
    for one in outgoing_identified(package):
        header = read_header(one.file, fields=())
        series = (header.study_instance_uid, header.series_instance_uid)
        items.append(Item(one, read_meta(one), series))
    return items


def proposals(items: Sequence[Item], *, decompress: bool) -> Iterator[Sequence[Syntax]]:
    """Return what to propose, each group to an association of its own.

    With ``decompress`` each SOP Class that is there compressed is proposed in ``PLAIN``, too.
    """
    wanted: dict[Syntax, list[Syntax]] = {}
    for syntax in sorted({item.syntax for item in items}):
        more = [(syntax[0], plain) for plain in PLAIN] if decompress else []
        wanted[syntax] = [syntax, *(one for one in more if one != syntax)]
    group: dict[Syntax, None] = {}
    for together in wanted.values():
        if len({*group, *together}) > MAX_CONTEXTS:
            yield list(group)
            group = {}
        group |= dict.fromkeys(together)
    if group:
        yield list(group)


def by_series(items: Sequence[Item]) -> Mapping[Series, Sequence[Item]]:
    """Return the instances of each Series."""
    found: dict[Series, list[Item]] = {}
    for item in items:
        found.setdefault(item.series, []).append(item)
    return found
