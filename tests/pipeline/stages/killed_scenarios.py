"""What lies in the inbox of a killed run, and what a person decides when its batch waits."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.installation import PROJECT, Installation
from tests.support.make_study import make_instance, make_study, not_dicom, write_instance

CONFIG = """\
mode = "inline"
work_dir = "work"
[workers]
chunk = 2
lease = "60 s"
[limits]
min_free_disk = "1 kB"
[[inboxes]]
path = "inbox"
project = "demo"
"""


def mixed_folder(inbox: Path) -> None:
    """Make a folder with some of everything."""
    folder = inbox / "ACC1"
    files = make_study(folder, n_series=2, n_images=2)
    shutil.copy(files[0], folder / "again.dcm")
    write_instance(folder / "us.dcm", make_instance(modality="US", seed="us"))
    twin = make_instance(seed=str(folder), series=1, number=2)
    twin.InstanceNumber = "9"
    write_instance(folder / "twin.dcm", twin)
    not_dicom(folder / "notes.txt")
    (folder / "link.dcm").symlink_to("series1/image001.dcm")


def good_folder(inbox: Path) -> None:
    make_study(inbox / "ACC1", n_series=1, n_images=3)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way of a batch."""

    fill: Callable[[Path], None]
    decision: str = ""
    """The function of the machine that a person has called when the batch waits."""
    project: str = PROJECT
    far_inbox: bool = False
    """The inbox is on another file system."""


AS_IS = PROJECT.replace('title = "Demo"', 'title = "Demo"\nanonymize = false').replace(
    'kind = "folder"', 'kind = "folder"\naccepts_identified = true'
)
TARGETS = (
    PROJECT
    + """
[[targets]]
name = "packed"
kind = "folder"
path = "../out/packed"
layout = "archive"
[[targets]]
name = "spare"
kind = "folder"
path = "../out/spare"
required = false
"""
)
SCENARIOS = {
    "good": Scenario(good_folder),
    "targets": Scenario(mixed_folder, "accept", TARGETS),
    "accepted": Scenario(mixed_folder, "accept"),
    "rejected": Scenario(mixed_folder, "turn_down"),
    "stopped": Scenario(
        mixed_folder, "turn_down", PROJECT.replace("[accept]", '[accept]\non_bad_image = "stop"')
    ),
    "identified": Scenario(good_folder, project=AS_IS),
    "empty": Scenario(lambda inbox: (inbox / "ACC1").mkdir()),
    "far": Scenario(mixed_folder, "turn_down", far_inbox=True),
}


def places_of(root: Path, scenario: Scenario, far: Path) -> Installation:
    """Return where everything is."""
    inbox = far / "inbox" if scenario.far_inbox else root / "inbox"
    return Installation(
        root, root / "sendit.toml", root / "projects", inbox, root / "work", root / "out"
    )


def install(root: Path, scenario: Scenario, far: Path) -> Installation:
    """Make the installation with its folder in the inbox."""
    places = places_of(root, scenario, far)
    for folder in (places.projects, places.inbox, places.out):
        folder.mkdir(parents=True)
    places.write_config(CONFIG.replace('path = "inbox"', f'path = "{places.inbox}"'))
    places.write_project(scenario.project)
    scenario.fill(places.inbox)
    return places
