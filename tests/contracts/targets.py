"""What every target must do, whoever wrote it.

A plug-in's tests inherit ``TargetContract`` and provide one fixture, ``receiver``: a small
harness around the real receiver, which makes targets and reads, spoils and troubles what the
receiver holds *past the target*::

    class TestShelf(TargetContract):
        troubles = frozenset({"full", "error 500"})

        @pytest.fixture
        def receiver(self, shelf_server: Server) -> Receiver:
            return ShelfReceiver(shelf_server)

``troubles`` names what the receiver can be brought to do; the tests about other troubles do
not exist for it.  A harness that extends ``ReceiverDefaults`` says the rest by not saying it.
"""

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import pytest

from sendit.errors import (
    InstancesMissing,
    TargetConflict,
    TargetError,
    TargetFull,
    TargetRefused,
    TargetUnavailable,
    VerificationFailed,
)
from sendit.storage import (
    Package,
    PackagedInstance,
    PackagedStudy,
    Receipt,
    RemovableTarget,
    Target,
    location_of,
    proves_content,
)
from tests.support.make_study import make_instance, write_instance

Trouble = Literal[
    "away", "full", "slow", "drops connections", "error 500", "expired credentials", "refuses class"
]
EXPECTED: Mapping[Trouble, tuple[type[TargetError], ...]] = {
    "away": (TargetUnavailable,),
    "full": (TargetFull, TargetUnavailable),
    "slow": (TargetUnavailable,),
    "drops connections": (TargetUnavailable,),
    "error 500": (TargetUnavailable,),
    "expired credentials": (TargetRefused,),
    "refuses class": (TargetRefused,),
}
"""What a target must say of each; whether trying again can help follows from the class."""
OTHER_CLASS = "US"
"""The modality of the one instance that ``refuses class`` is about."""


class Receiver(Protocol):
    """A real receiver, seen past the target."""

    def target(self) -> Target:
        """Return a target of its own that sends here, with short timeouts."""

    def held(self) -> Mapping[str, list[bytes]]:
        """Return what is held of each SOP Instance UID, every copy, read from the receiver."""

    def spoil(self, sop_instance_uid: str) -> None:
        """Change at least one byte of an instance at the receiver."""

    def lose(self, sop_instance_uid: str) -> None:
        """Remove an instance at the receiver."""

    def troubled(self, trouble: Trouble) -> AbstractContextManager[None]:
        """Bring the receiver into trouble, for the time of the context."""


def make_package(
    root: Path,
    *,
    batch: int = 1,
    n_instances: int = 3,
    patient_id: str = "PXKCD",
    salt: str = "",
    modalities: tuple[str, ...] = ("CT",),
) -> Package:
    """Write the results of a batch of one Study and describe them; they are real DICOM."""
    study_uid, series_uid = "2.25.100", "2.25.200"
    instances = []
    for number in range(n_instances):
        uid = f"2.25.3{number:02}"
        ds = make_instance(
            modality=modalities[number % len(modalities)],
            number=number + 1,
            PatientID=patient_id,
            PatientName=patient_id,
            StudyInstanceUID=study_uid,
            SeriesInstanceUID=series_uid,
            SOPInstanceUID=uid,
            SeriesDescription=f"contract {salt}".strip(),
        )
        file = f"{patient_id}/{study_uid}/{series_uid}/{uid}.dcm"
        content = write_instance(root / file, ds).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        instances.append(PackagedInstance(uid, file, digest, len(content)))
    study = PackagedStudy(patient_id, study_uid, "SXKCD", "20190704", tuple(instances))
    return Package(root, batch, (study,))


def holds_exactly(receiver: Receiver, package: Package) -> bool:
    """Say whether every instance is there once, byte by byte, and nothing else is."""
    held = receiver.held()
    return held == {
        instance.sop_instance_uid: [(package.root / instance.file).read_bytes()]
        for instance in package.instances
    }


class TargetContract:
    """Inherit it, say ``troubles``, and provide the fixture ``receiver``."""

    troubles: ClassVar[frozenset[Trouble]] = frozenset()
    is_removable: ClassVar[bool] = True

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "trouble" in metafunc.fixturenames:
            metafunc.parametrize("trouble", sorted(metafunc.cls.troubles))

    @pytest.fixture
    def target(self, receiver: Receiver) -> Target:
        return receiver.target()

    @pytest.fixture
    def package(self, tmp_path: Path) -> Package:
        return make_package(tmp_path / "clean")

    # Sending

    def test_what_was_sent_is_verified(
        self, receiver: Receiver, target: Target, package: Package
    ) -> None:
        receipt = target.send(package)

        target.verify(package, receipt)

        assert receipt.n_instances == 3
        assert receipt.digests == {i.sop_instance_uid: i.sha256 for i in package.instances}
        assert holds_exactly(receiver, package)

    def test_the_receipt_says_where_each_instance_is(
        self, target: Target, package: Package
    ) -> None:
        receipt = target.send(package)

        assert receipt.location == location_of(target, name="")
        assert receipt.location
        assert receipt.stored.keys() == receipt.digests.keys()

    def test_sending_twice_ends_in_the_same_state(
        self, receiver: Receiver, target: Target, package: Package
    ) -> None:
        first = target.send(package)

        second = target.send(package)

        assert second.digests == first.digests
        target.verify(package, second)
        assert holds_exactly(receiver, package)

    def test_what_is_proven_is_not_needed_again(
        self, receiver: Receiver, target: Target, package: Package
    ) -> None:
        target.verify(package, target.send(package))
        proven = frozenset(one.sop_instance_uid for one in package.instances)
        again = Package(package.root, package.batch, package.studies, proven)

        receipt = target.send(again)

        assert receipt.digests.keys() == proven
        target.verify(again, receipt)
        assert holds_exactly(receiver, package)

    def test_killed_at_any_step_and_sent_again_everything_is_there_once(
        self, receiver: Receiver, package: Package
    ) -> None:
        steps = 0
        while killed_while_sending(receiver, package, after=steps):
            steps += 1

            target = receiver.target()
            target.verify(package, target.send(package))

            assert holds_exactly(receiver, package), steps
            for instance in package.instances:
                receiver.lose(instance.sop_instance_uid)
        assert steps >= len(package.instances)

    def test_what_a_killed_sender_had_sent_does_not_hinder(
        self, receiver: Receiver, package: Package
    ) -> None:
        for steps in (1, 2, 3):
            killed_while_sending(receiver, package, after=steps)

        target = receiver.target()
        target.verify(package, target.send(package))

        assert holds_exactly(receiver, package)

    def test_progress_is_told_for_every_instance(self, target: Target, package: Package) -> None:
        told: list[None] = []

        receipt = target.send(package, progress=lambda: told.append(None))
        sent = len(told)
        target.verify(package, receipt, progress=lambda: told.append(None))

        assert sent >= 3
        assert len(told) - sent >= 3

    # Proving

    def test_wrong_bytes_at_the_receiver_are_noticed(
        self, receiver: Receiver, target: Target, package: Package
    ) -> None:
        if not proves_content(target):
            pytest.xfail("it only says that it has a UID; the pipeline's ledger does the rest")
        receipt = target.send(package)
        victim = package.instances[1].sop_instance_uid

        receiver.spoil(victim)

        with pytest.raises(VerificationFailed) as refusal:
            target.verify(package, receipt)
        assert victim in refusal.value.failures
        assert victim in str(refusal.value) or ".tar.gz" in str(refusal.value)

    def test_an_instance_that_is_lost_is_noticed_and_sent_again(
        self, receiver: Receiver, target: Target, package: Package
    ) -> None:
        receipt = target.send(package)
        victim = package.instances[2].sop_instance_uid

        receiver.lose(victim)

        with pytest.raises(InstancesMissing) as refusal:
            target.verify(package, receipt)
        assert victim in refusal.value.failures
        target.verify(package, target.send(package))
        assert holds_exactly(receiver, package)

    def test_other_content_under_the_same_name_is_never_taken_for_this(
        self, receiver: Receiver, target: Target, package: Package, tmp_path: Path
    ) -> None:
        if not proves_content(target):
            pytest.xfail("it only says that it has a UID; the pipeline's ledger does the rest")
        target.verify(package, target.send(package))
        other = make_package(tmp_path / "other", batch=2, salt="changed")

        with pytest.raises((TargetConflict, VerificationFailed)) as refusal:
            target.verify(other, target.send(other))

        assert not refusal.value.retryable
        assert holds_exactly(receiver, package)

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

    def test_a_receipt_survives_the_database(self, target: Target, package: Package) -> None:
        receipt = target.send(package)

        kept = Receipt.from_json(receipt.as_json())

        assert kept == receipt
        target.verify(package, kept)

    # Trouble

    def test_trouble_is_told_and_passes(
        self, receiver: Receiver, tmp_path: Path, trouble: Trouble
    ) -> None:
        package = make_package(tmp_path / "clean", modalities=("CT", "CT", OTHER_CLASS))

        with receiver.troubled(trouble), pytest.raises(EXPECTED[trouble]) as told:
            send_and_verify(receiver, package)
        send_and_verify(receiver, package)

        assert str(told.value)
        assert holds_exactly(receiver, package)
        if trouble == "refuses class":
            assert list(told.value.failures) == [package.instances[2].sop_instance_uid]
            assert package.instances[2].sop_instance_uid in str(told.value)

    # Taking back

    def test_what_is_taken_back_is_gone(
        self, receiver: Receiver, target: Target, package: Package
    ) -> None:
        receipt = target.send(package)
        if not self.is_removable:
            assert not isinstance(target, RemovableTarget)
            return
        assert isinstance(target, RemovableTarget)

        removal = target.remove(Receipt.from_json(receipt.as_json()))

        assert sorted(removal.removed) == sorted(receipt.digests)
        assert removal.left == {}
        assert receiver.held() == {}
        assert sorted(target.remove(receipt).removed) == sorted(receipt.digests)
        target.verify(package, target.send(package))

    # Trying

    def test_a_probe_leaves_nothing(
        self, receiver: Receiver, target: Target, package: Package
    ) -> None:
        receipt = target.send(package)

        target.probe()

        target.verify(package, receipt)
        assert holds_exactly(receiver, package)

    def test_options_refuse_what_they_do_not_know(self, target: Target) -> None:
        model = type(target).options_model  # type: ignore[attr-defined]

        assert model.model_config["extra"] == "forbid"
        assert model.model_config["frozen"] is True


def send_and_verify(receiver: Receiver, package: Package) -> None:
    """Do both with a target of its own."""
    target = receiver.target()
    target.verify(package, target.send(package))


def killed_while_sending(receiver: Receiver, package: Package, *, after: int) -> bool:
    """Send in a process of its own that kills itself at one call of ``progress``.

    Returns
    -------
    bool
        False when the process came to its end before.
    """
    calls = iter(range(after))

    def progress() -> None:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def send() -> None:
        receiver.target().send(package, progress=progress)

    process = multiprocessing.get_context("fork").Process(target=send)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def every_copy(found: Iterator[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """Collect ``(UID, bytes)`` into what ``Receiver.held`` returns."""
    held: dict[str, list[bytes]] = {}
    for uid, content in found:
        held.setdefault(uid, []).append(content)
    return held
