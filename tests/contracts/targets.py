"""What every target must do; a plug-in's tests inherit this and say how to make one."""

import hashlib
from pathlib import Path

import pytest

from sendit.errors import TargetConflict, VerificationFailed
from sendit.storage import Package, PackagedInstance, PackagedStudy, Progress, Receipt, Target
from tests.support.make_study import make_instance, write_instance


def make_package(
    root: Path, *, batch: int = 1, n_instances: int = 3, patient_id: str = "PXKCD", salt: str = ""
) -> Package:
    """Write the results of a batch of one Study, small CT images, and describe them."""
    study_uid, series_uid = "2.25.100", "2.25.200"
    instances = []
    for number in range(n_instances):
        uid = f"2.25.3{number:02}"
        file = f"{patient_id}/{study_uid}/{series_uid}/{uid}.dcm"
        ds = make_instance(
            number=number + 1,
            PatientID=patient_id,
            StudyInstanceUID=study_uid,
            SeriesInstanceUID=series_uid,
            SOPInstanceUID=uid,
            ImageComments=f"instance {number} {salt}",
        )
        content = write_instance(root / file, ds).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        instances.append(PackagedInstance(uid, file, digest, len(content)))
    study = PackagedStudy(patient_id, study_uid, "SXKCD", "20190704", tuple(instances))
    return Package(root, batch, (study,))


class TargetContract:
    """Inherit it and provide the fixture ``target``."""

    @pytest.fixture
    def package(self, tmp_path: Path) -> Package:
        return make_package(tmp_path / "clean")

    def test_what_was_sent_is_verified(self, target: Target, package: Package) -> None:
        receipt = target.send(package)

        target.verify(package, receipt)

        assert receipt.n_instances == 3
        assert receipt.digests == {i.sop_instance_uid: i.sha256 for i in package.instances}

    def test_sending_twice_ends_in_the_same_state(self, target: Target, package: Package) -> None:
        first = target.send(package)

        second = target.send(package)

        assert second == first
        target.verify(package, second)

    @pytest.mark.parametrize("steps", range(3))
    def test_sending_again_after_a_crash_completes_it(
        self, target: Target, package: Package, steps: int
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            target.send(package, progress=crash_after(steps))

        receipt = target.send(package)

        target.verify(package, receipt)

    def test_other_content_under_the_same_name_is_a_conflict(
        self, target: Target, package: Package, tmp_path: Path
    ) -> None:
        receipt = target.send(package)
        other = make_package(tmp_path / "other", batch=2, salt="changed")

        with pytest.raises(TargetConflict) as refusal:
            target.send(other)

        assert not refusal.value.retryable
        target.verify(package, receipt)

    def test_a_package_that_was_never_sent_is_not_verified(
        self, target: Target, package: Package
    ) -> None:
        receipt = Receipt("nowhere", 3, {i.sop_instance_uid: i.sha256 for i in package.instances})

        with pytest.raises(VerificationFailed):
            target.verify(package, receipt)

    def test_a_receipt_of_less_is_not_enough(self, target: Target, package: Package) -> None:
        target.send(package)

        with pytest.raises(VerificationFailed):
            target.verify(package, Receipt("here", 0, {}))

    def test_progress_is_told_for_every_instance(self, target: Target, package: Package) -> None:
        told: list[None] = []

        receipt = target.send(package, progress=lambda: told.append(None))
        sent = len(told)
        target.verify(package, receipt, progress=lambda: told.append(None))

        assert sent >= 3
        assert len(told) - sent >= 3

    def test_a_receipt_survives_the_database(self, target: Target, package: Package) -> None:
        receipt = target.send(package)

        target.verify(package, Receipt.from_json(receipt.as_json()))

    def test_a_probe_leaves_nothing(self, target: Target, package: Package) -> None:
        receipt = target.send(package)

        target.probe()

        target.verify(package, receipt)

    def test_options_refuse_what_they_do_not_know(self, target: Target) -> None:
        model = type(target).options_model  # type: ignore[attr-defined]

        assert model.model_config["extra"] == "forbid"
        assert model.model_config["frozen"] is True


def crash_after(steps: int) -> Progress:
    """Return a ``progress`` that ends everything when it is called once too often."""
    left = iter(range(steps))

    def progress() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    return progress
