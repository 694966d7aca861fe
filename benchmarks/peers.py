"""De-identify a folder with another tool from PyPI, each as its documentation does it.

``python -m benchmarks.peers NAME IN OUT`` runs in an environment of its own, which holds the
peers and nothing of sendit (``requirements/peers.txt``).  The tools differ in what they
remove; what their output still shows is another question than what they cost.
"""

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path


def run_deid(source: Path, destination: Path) -> None:
    """Replace headers with pydicom's ``deid`` and the recipe that it ships."""
    dicom = import_module("deid.dicom")
    recipe = import_module("deid.config").DeidRecipe("dicom")
    for folder, target in _folders(source, destination):
        files = [str(path) for path in sorted(folder.glob("*.dcm"))]
        dicom.replace_identifiers(
            dicom_files=files,
            deid=recipe,
            ids=dicom.get_identifiers(files),
            save=True,
            remove_private=True,
            output_folder=str(target),
        )


def run_dicognito(source: Path, destination: Path) -> None:
    """Anonymize with dicognito's command."""
    main = import_module("dicognito.__main__").main
    main(["--quiet", "--output-directory", str(destination), str(source)])


def run_dicom_anonymizer(source: Path, destination: Path) -> None:
    """Anonymize with dicom-anonymizer and its defaults."""
    anonymize = import_module("dicomanonymizer").anonymize
    for folder, target in _folders(source, destination):
        anonymize(str(folder), str(target), {}, delete_private_tags=True)


def _folders(source: Path, destination: Path) -> list[tuple[Path, Path]]:
    pairs = [(folder, destination / folder.name) for folder in sorted(source.iterdir())]
    for _, target in pairs:
        target.mkdir(parents=True)
    return pairs


PEERS: Mapping[str, Callable[[Path, Path], None]] = {
    "deid": run_deid,
    "dicognito": run_dicognito,
    "dicom-anonymizer": run_dicom_anonymizer,
}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    PEERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
