"""``make audit``: plant identifiers, de-identify, and count what is left.

The corpus is planted anew at each run (``--seed`` repeats one), the engine runs over it under
each preset, and one table says by modality: how many identifiers leaked, with the upper bound
that this many trials support; how many values that had to survive did; how many files were
held or rejected; and how many got an error from ``dciodvfy`` that they did not have before.

Exit 1 when anything leaked or became invalid.
"""

import argparse
import secrets
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from pydicom.filereader import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from sendit.deid import Engine, Identities, Identity, Recipe, normal_id
from sendit.errors import Held, ImageError
from tests.support.corpus import MODALITIES, Specimen, plant_corpus
from tests.support.leaks import leaks_in, read_result

SHIFT_DAYS = -413
PRESETS = ("basic", "research", "tcia", "keep-everything-safe")
KINDS_KEPT = {
    "retain-device-identity": "device",
    "retain-institution-identity": "institution",
    "retain-uids": "uid",
}
SCIENCE = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("RescaleSlope", "RescaleIntercept", "Units", "DecayCorrection", "EchoTime", "KVP"),
    *("RepetitionTime", "Rows", "Columns", "BitsStored", "Modality", "ImageType", "SOPClassUID"),
    *("NumberOfFrames", "PixelData", "DoseGridScaling", "SegmentationType", "PatientPosition"),
)


@dataclass(slots=True)
class Tally:
    """What one modality came to."""

    files: int = 0
    written: int = 0
    held: int = 0
    rejected: int = 0
    trials: int = 0
    leaks: int = 0
    kept: int = 0
    had: int = 0
    invalid: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the audit and print its table; return the exit code."""
    options = _parser().parse_args(arguments)
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    print(f"seed {seed}; repeat with: python -m benchmarks.audit --seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="sendit-audit-"))
    try:
        specimens = plant_corpus(
            folder / "in", seed=seed, modalities=options.modality, studies=options.studies
        )
        verdicts = [
            _audit(preset, specimens, folder / preset, options) for preset in options.preset
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(verdicts) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the corpus of an earlier run")
    parser.add_argument("--studies", type=int, default=6, help="Studies of each modality")
    parser.add_argument("--preset", nargs="+", default=PRESETS, choices=PRESETS)
    parser.add_argument("--modality", nargs="+", default=MODALITIES, choices=MODALITIES)
    parser.add_argument("--no-validity", action="store_true", help="do not run dciodvfy")
    parser.add_argument("--verbose", action="store_true", help="print each leak and refusal")
    return parser


def _audit(
    preset: str, specimens: list[Specimen], folder: Path, options: argparse.Namespace
) -> bool:
    recipe = Recipe.resolve(
        preset=preset, pixels="off", pixels_off_reason="planted pictures hold no text"
    )
    identities = _identities(specimens)
    allowed = [kind for option, kind in KINDS_KEPT.items() if option in recipe.options]
    tallies: dict[str, Tally] = defaultdict(Tally)
    folder.mkdir()
    engine, batch = None, None
    for number, specimen in enumerate(specimens):
        if engine is None or specimen.file.parent != batch:
            batch = specimen.file.parent
            engine = Engine(recipe, identities, extra_known=_names(specimens, batch))
        tally = tallies[specimen.modality]
        tally.files += 1
        result = folder / f"{number}.dcm"
        try:
            engine.deidentify_to(specimen.file, result)
        except ImageError as error:
            _refused(tally, error, specimen, options)
            continue
        tally.written += 1
        _count_leaks(tally, specimen, result, allowed, options)
        _count_kept(tally, specimen, result, recipe, options)
        if not options.no_validity:
            tally.invalid += _is_newly_invalid(specimen.file, result, folder, options)
    return _print_table(preset, tallies)


def _identities(specimens: list[Specimen]) -> Identities:
    answers: dict[tuple[str, str], Identity] = {}
    for number, specimen in enumerate(specimens):
        key = normal_id(specimen.patient_id), specimen.study_instance_uid
        answers.setdefault(key, Identity(f"KESTREL-{number}", f"STUDY-{number}", SHIFT_DAYS))
    return Identities(answers, secrets.token_bytes(32))


def _names(specimens: list[Specimen], batch: Path) -> list[str]:
    return [f"{batch.name}/{one.file.name}" for one in specimens if one.file.parent == batch]


def _refused(
    tally: Tally, error: ImageError, specimen: Specimen, options: argparse.Namespace
) -> None:
    if isinstance(error, Held):
        tally.held += 1
    else:
        tally.rejected += 1
    tally.reasons[str(error)] += 1
    if options.verbose:
        print(f"  {specimen.modality} {specimen.script}: {error}")


def _count_leaks(
    tally: Tally,
    specimen: Specimen,
    result: Path,
    allowed: list[str],
    options: argparse.Namespace,
) -> None:
    dates = [one.text for one in specimen.planted if one.kind == "date"]
    moved = {_moved(day) for day in dates if day.isdigit()}
    leaks = leaks_in(read_result(result), specimen, allowed=allowed, moved=moved)
    tally.trials += len(set(specimen.planted))
    tally.leaks += len(leaks)
    for leak in leaks:
        where = f"{leak.planted.kind} planted in {leak.planted.where}, found in {leak.found}"
        tally.reasons[f"leak: {where}"] += 1
        if options.verbose:
            print(f"  leak, {specimen.modality} {specimen.script}: {where}")


def _moved(day: str) -> str:
    original = date(int(day[:4]), int(day[4:6]), int(day[6:8]))
    return f"{original + timedelta(days=SHIFT_DAYS):%Y%m%d}"


def _count_kept(
    tally: Tally, specimen: Specimen, result: Path, recipe: Recipe, options: argparse.Namespace
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = dcmread(specimen.file), dcmread(result)
        wanted = [(key, before[key].value) for key in SCIENCE if key in before]
        if "clean-descriptors" in recipe.options:
            wanted += [(key, value) for key, value in specimen.kept if before.get(key) == value]
        for keyword, value in wanted:
            now = after[keyword].value if keyword in after else None
            if keyword == "PixelData" and now is not None:
                value = value[: len(now)]
            tally.had += 1
            tally.kept += now == value
            if now != value:
                tally.reasons[f"lost: {keyword}"] += 1
                if options.verbose:
                    print(f"  lost, {specimen.modality} {specimen.script}: {keyword}")


def _is_newly_invalid(
    original: Path, result: Path, folder: Path, options: argparse.Namespace
) -> bool:
    new = _errors(result, folder) - _errors(original, folder)
    for error in new if options.verbose else ():
        print(f"  invalid: {error}")
    return bool(new)


def _errors(path: Path, folder: Path) -> set[str]:
    """Return what ``dciodvfy`` finds; it cannot read deflated files, so they are inflated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(path)
        if ds.file_meta.TransferSyntaxUID.is_deflated:
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            path = folder / "inflated.dcm"
            ds.save_as(path, overwrite=True)
    command = [str(Path(sys.executable).parent / "dciodvfy"), "-new", str(path)]
    run = subprocess.run(command, capture_output=True, check=False)
    lines = (run.stdout + run.stderr).decode("latin-1").splitlines()
    return {line for line in lines if line.startswith("Error")}


def upper_bound(leaks: int, trials: int) -> float:
    """Return the share of leaks that is exceeded with a probability of 5 % at most."""
    if not trials or leaks >= trials:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(leaks, trials, middle) > 0.05 else (low, middle)
    return high


def _at_most(leaks: int, trials: int, share: float) -> float:
    """Return the probability of at most so many leaks when each trial leaks with ``share``."""
    term = (1 - share) ** trials
    total = term
    for count in range(1, leaks + 1):
        term *= (trials - count + 1) / count * share / (1 - share)
        total += term
    return total


def _print_table(preset: str, tallies: dict[str, Tally]) -> bool:
    print(f"\n{preset}")
    print("modality   files written held rejected  planted leaks  95 % below     kept invalid")
    total = Tally()
    for modality, tally in tallies.items():
        _print_row(modality, tally)
        for name in ("files", "written", "held", "rejected", "trials", "leaks", "kept", "had"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
        total.invalid += tally.invalid
        total.reasons.update(tally.reasons)
    _print_row("all", total)
    for reason, count in total.reasons.most_common(12):
        print(f"  {count:4} x {reason}")
    return not total.leaks and not total.invalid


def _print_row(modality: str, tally: Tally) -> None:
    kept = f"{100 * tally.kept / tally.had:.1f} %" if tally.had else "–"
    bound = f"{100 * upper_bound(tally.leaks, tally.trials):.2f} %"
    print(
        f"{modality:10} {tally.files:5} {tally.written:7} {tally.held:4} {tally.rejected:8}"
        f" {tally.trials:8} {tally.leaks:5} {bound:>11} {kept:>8} {tally.invalid:7}"
    )


if __name__ == "__main__":
    sys.exit(main())
