"""Rebuild the engine's tables from the published standard.

::

    python scripts/build_deid_tables.py --part15 part15.xml --edition 2026c
    python scripts/build_deid_tables.py --highdicom

``part15.xml`` is the DocBook source that NEMA publishes with every edition of PS3.15.  From it
come ``attributes.json`` (Table E.1-1) and ``safe_private.json`` (Table E.3.10-1).  Attribute
types per SOP Class (PS3.3) are facts that the package ``highdicom`` carries as JSON; from it
comes ``iod_types.json``, reduced to what the engine asks for.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from xml.etree import ElementTree as ET

from pydicom.datadict import dictionary_VR, keyword_dict

DATA = Path(__file__).resolve().parent.parent / "src" / "sendit" / "deid" / "data"
DOCBOOK = "{http://docbook.org/ns/docbook}"
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"

COLUMNS = (
    "retain-safe-private",
    "retain-uids",
    "retain-device-identity",
    "retain-institution-identity",
    "retain-patient-characteristics",
    "retain-longitudinal-full-dates",
    "retain-longitudinal-modified-dates",
    "clean-descriptors",
    "clean-structured-content",
    "clean-graphics",
)
"""The option columns of Table E.1-1, in the order in which they are printed."""

RETIRED_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.3": "ultrasound-multi-frame-image",
    "1.2.840.10008.5.1.4.1.1.5": "nuclear-medicine-image",
    "1.2.840.10008.5.1.4.1.1.6": "ultrasound-image",
}
"""Older versions of classes that are still met; they have the modules of their successors."""

TYPE_RANK = {"1": 4, "1C": 3, "2": 2, "2C": 1}
TAG = re.compile(r"\(\s*([0-9A-Fa-fXx]{4})\s*,\s*([0-9A-Fa-fXx]{4})\s*\)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the builder; return the exit code."""
    parser = argparse.ArgumentParser(description="Rebuild the tables in src/sendit/deid/data.")
    parser.add_argument("--part15", type=Path, help="DocBook XML of PS3.15")
    parser.add_argument("--edition", default="", help="edition of that file, such as 2026c")
    parser.add_argument("--highdicom", action="store_true", help="rebuild iod_types.json")
    parser.add_argument("--output", type=Path, default=DATA, help="folder for the JSON files")
    args = parser.parse_args(argv)
    if args.part15 is None and not args.highdicom:
        parser.error("nothing to build: name --part15 FILE or --highdicom")
    if args.part15 is not None:
        # The file comes from NEMA and is read by a maintainer, not by the product.
        root = ET.parse(args.part15).getroot()  # noqa: S314
        source = f"DICOM PS3.15 {args.edition}"
        write(
            args.output / "attributes.json",
            {
                "source": f"{source}, Table E.1-1",
                "edition": args.edition,
                "attributes": attributes(root),
            },
        )
        write(
            args.output / "safe_private.json",
            {
                "source": f"{source}, Table E.3.10-1",
                "edition": args.edition,
                "elements": safe_private(root),
            },
        )
    if args.highdicom:
        write(args.output / "iod_types.json", iod_types(args.output / "attributes.json"))
    return 0


def attributes(root: ET.Element) -> dict[str, dict[str, object]]:
    """Return Table E.1-1 as tag → name, Basic Profile action, actions by option."""
    table: dict[str, dict[str, object]] = {}
    for cells in rows(root, "table_E.1-1"):
        # Name, tag, retired, in a composite IOD, basic, ten options.
        found = TAG.search(cells[1])
        if found is None or len(cells) < 5 + len(COLUMNS):
            continue
        actions = {name: cells[5 + i] for i, name in enumerate(COLUMNS) if cells[5 + i]}
        key = (found[1] + found[2]).upper()
        table[key] = {"name": cells[0], "basic": cells[4], "options": actions}
    return dict(sorted(table.items()))


def safe_private(root: ET.Element) -> list[dict[str, str]]:
    """Return Table E.3.10-1 as a list of group, creator, element byte, VR and meaning."""
    found = []
    for cells in rows(root, "table_E.3.10-1"):
        # Tag, creator, VR, VM, meaning.
        tag = TAG.search(cells[0])
        if tag is not None:
            found.append(
                {
                    "group": tag[1].upper(),
                    "creator": cells[1],
                    "element": tag[2][2:].upper(),
                    "vr": cells[2],
                    "meaning": cells[4] if len(cells) > 4 else "",
                }
            )
    return found


def rows(root: ET.Element, table_id: str) -> Iterator[list[str]]:
    """Yield the text of the cells of each body row of one table."""
    for table in root.iter(f"{DOCBOOK}table"):
        if table.get(XML_ID) != table_id:
            continue
        for body in table.iter(f"{DOCBOOK}tbody"):
            for row in body.iter(f"{DOCBOOK}tr"):
                cells = [" ".join("".join(cell.itertext()).split()) for cell in row]
                # A zero-width space lets long words wrap in print.
                yield [cell.replace("\u200b", "") for cell in cells]


def iod_types(attributes_file: Path) -> dict[str, object]:
    """Return attribute types by module, modules by IOD and IODs by SOP Class."""
    listed = {
        int(tag, 16)
        for tag in json.loads(attributes_file.read_text())["attributes"]
        if "X" not in tag
    }
    standard = resources.files("highdicom") / "_standard"
    modules = json.loads((standard / "module_attribute_map.json").read_text())
    iods = json.loads((standard / "iod_module_map.json").read_text())
    return {
        "source": f"DICOM PS3.3 and PS3.4, as in highdicom {metadata.version('highdicom')}",
        "sop_classes": {
            **json.loads((standard / "sop_class_iod_map.json").read_text()),
            **RETIRED_CLASSES,
        },
        "iods": {
            iod: [[module["key"], module["usage"]] for module in used] for iod, used in iods.items()
        },
        "modules": {name: module_types(found, listed) for name, found in modules.items()},
    }


def module_types(found: Sequence[Mapping[str, object]], listed: set[int]) -> dict[str, str]:
    """Return tag, or ``parent/tag``, → type, for what is not optional.

    At depth only attributes that the profile lists, dates and names are kept: nothing else is
    ever removed there.
    """
    types: dict[str, str] = {}
    for attribute in found:
        kind, path = str(attribute["type"]), attribute["path"]
        tag = keyword_dict.get(str(attribute["keyword"]))
        if kind not in TYPE_RANK or tag is None or not isinstance(path, list):
            continue
        key = f"{tag:08X}"
        if path:
            parent = keyword_dict.get(path[-1])
            if parent is None or not (tag in listed or dictionary_VR(tag) in {"DA", "DT", "PN"}):
                continue
            key = f"{parent:08X}/{key}"
        if TYPE_RANK[kind] > TYPE_RANK.get(types.get(key, ""), 0):
            types[key] = kind
    return dict(sorted(types.items()))


def write(path: Path, content: Mapping[str, object]) -> None:
    """Write one table, one entry a line where it is long, so that a diff can be read."""
    lines = ["{"]
    for number, (key, value) in enumerate(content.items()):
        comma = "," if number < len(content) - 1 else ""
        if isinstance(value, dict):
            entries = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()]
            lines += [f"{json.dumps(key)}: {{", ",\n".join(entries), f"}}{comma}"]
        elif isinstance(value, list):
            lines += [
                f"{json.dumps(key)}: [",
                ",\n".join(json.dumps(entry) for entry in value),
                f"]{comma}",
            ]
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}{comma}")
    path.write_text("\n".join([*lines, "}", ""]))


if __name__ == "__main__":
    sys.exit(main())
