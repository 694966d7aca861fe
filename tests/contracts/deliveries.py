"""What the pipeline makes of a target: repeated, corrected, lost and recalled studies.

A plug-in's tests inherit ``DeliveryContract`` and provide the fixtures ``receiver`` (as for
``TargetContract``) and ``target_table``, the target's lines of a project file::

    class TestDeliveriesToShelf(DeliveryContract):
        @pytest.fixture
        def receiver(self, shelf_server: Server) -> Receiver: ...

        @pytest.fixture
        def target_table(self, shelf_server: Server) -> str:
            return f'kind = "shelf"\nurl = "{shelf_server.url}"'

They need the fixture ``line`` of ``tests/pipeline/conftest.py``.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest

from sendit.pipeline import machine
from sendit.pipeline.recalling import Wanted, recall
from sendit.records.models import Batch, Delivery, Image, Recall
from sendit.storage import RemovableTarget, keeps_generations, proves_content
from sendit.terms import DeliveryState, Stage, Status
from tests.contracts.targets import Receiver
from tests.pipeline.line import NO_TARGET, Line
from tests.support.make_study import make_instance, write_instance

N_IMAGES = 3
ALL = range(1, N_IMAGES + 1)


class DeliveryContract:
    """Inherit it and provide the fixtures ``receiver`` and ``target_table``."""

    @pytest.fixture
    def project(self, target_table: str) -> str:
        table = f'[[targets]]\nname = "there"\n{target_table}\n'
        return f'{NO_TARGET}{table}[retention]\noriginals = "remove"\n'

    def test_a_study_is_done_when_the_receiver_holds_it(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)

        batch = deliver(line, "ACC1")

        assert batch.status == Status.DONE
        assert digests(receiver) == sent(batch)

    def test_the_same_study_again_is_not_sent_again(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)
        first = deliver(line, "ACC1")

        second = deliver(line, "ACC2")

        assert second.status == Status.DONE
        assert digests(receiver) == sent(first)
        receipt = Delivery.objects.get(batch=second).receipt
        assert (receipt["n_instances"], receipt["there_already"]) == (0, N_IMAGES)

    def test_of_a_part_of_it_and_one_more_only_that_one_is_sent(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)
        first = deliver(line, "ACC1")

        second = deliver(line, "ACC2", numbers=(2, N_IMAGES + 1))

        assert (second.status, second.errors) == (Status.DONE, [])
        assert digests(receiver) == {**sent(first), **sent(second)}
        receipt = Delivery.objects.get(batch=second).receipt
        assert (receipt["n_instances"], receipt["there_already"]) == (1, 1)

    def test_what_was_lost_there_is_sent_when_it_comes_again(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)
        first = deliver(line, "ACC1")
        for uid in sent(first):
            receiver.lose(uid)

        second = deliver(line, "ACC2")

        assert second.status == Status.DONE
        assert digests(receiver) == sent(first)

    def test_what_is_lost_before_it_is_proven_is_sent_again_and_there_once(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)
        batch_id = hand_in(line, "ACC1")
        work_until(line, batch_id, Stage.VERIFY)
        victim = min(sent(line.batch(batch_id)))
        receiver.lose(victim)

        line.work()

        delivery = Delivery.objects.get(batch=batch_id)
        assert (delivery.state, delivery.error["code"]) == ("pending", "INSTANCES_MISSING")
        assert victim in delivery.failures
        line.work(later=timedelta(minutes=1))
        batch = line.batch(batch_id)
        assert (batch.status, batch.errors) == (Status.DONE, [])
        assert digests(receiver) == sent(batch)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts, delivery.error) == ("verified", 2, None)

    def test_corrected_content_is_held_and_the_older_stays(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)
        first = deliver(line, "ACC1")

        second = deliver(line, "ACC2", SliceThickness="7")

        assert (second.status, second.stage) == (Status.DONEPROCESSING, Stage.SEND)
        assert Image.objects.filter(batch=second, reason="SUPERSEDES").count() == N_IMAGES
        assert digests(receiver) == sent(first)

    def test_corrected_content_replaces_the_older_or_is_refused(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(f'{project}[delivery]\nsupersede = "replace"\n')
        first = deliver(line, "ACC1")

        second = deliver(line, "ACC2", SliceThickness="7")

        if isinstance(receiver.target(), RemovableTarget):
            assert second.status == Status.DONE
            assert digests(receiver) == sent(second)
            assert not set(sent(second).values()) & set(sent(first).values())
        else:
            assert (second.status, line.codes(second.pk)) == (Status.ERROR, ["TARGET_CONFLICT"])
            assert digests(receiver) == sent(first)

    def test_a_new_generation_is_kept_beside_the_older_or_refused(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(f'{project}[delivery]\nsupersede = "new-generation"\n')
        first = deliver(line, "ACC1")

        second = deliver(line, "ACC2", SliceThickness="7")

        if keeps_generations(receiver.target()):
            assert second.status == Status.DONE
            both = {uid: {sent(first)[uid], sent(second)[uid]} for uid in sent(first)}
            assert {uid: set(map(sha256, found)) for uid, found in receiver.held().items()} == both
        else:
            assert (second.status, line.codes(second.pk)) == (Status.ERROR, ["TARGET_CONFLICT"])
            assert digests(receiver) == sent(first)

    def test_wrong_bytes_there_are_no_proof(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        if not proves_content(receiver.target()):
            pytest.xfail("it only says that it has a UID; the ledger sees to what is under it")
        line.set_project(project)
        batch_id = hand_in(line, "ACC1")
        work_until(line, batch_id, Stage.VERIFY)
        receiver.spoil(min(sent(line.batch(batch_id))))

        line.work()

        batch = line.batch(batch_id)
        assert (batch.status, line.codes(batch_id)) == (Status.ERROR, ["VERIFICATION_FAILED"])
        assert Delivery.objects.get(batch=batch).state == DeliveryState.FAILED
        assert {image.status for image in Image.objects.filter(batch=batch)} == {
            Status.DONEPROCESSING
        }
        assert line.workspace.original(batch_id, 1).is_file()

    def test_a_recalled_study_is_gone_or_left_for_a_person(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)
        first = deliver(line, "ACC1")
        wanted = Wanted(Recall.BATCH, str(first.pk))

        copies = list(
            recall(line.configuration, wanted, by="jo", reason="withdrawn", now=lambda: line.clock)
        )

        if isinstance(receiver.target(), RemovableTarget):
            assert [copy.left for copy in copies] == [""]
            assert receiver.held() == {}
        else:
            assert [bool(copy.left) for copy in copies] == [True]
        again = deliver(line, "ACC2")
        assert (again.status, again.stage) == (Status.DONEPROCESSING, Stage.SEND)
        assert Image.objects.filter(batch=again, reason="RECALLED").count() == N_IMAGES

    def test_what_was_recalled_goes_again_when_a_person_releases_it(
        self, line: Line, project: str, receiver: Receiver
    ) -> None:
        line.set_project(project)
        first = deliver(line, "ACC1")
        wanted = Wanted(Recall.BATCH, str(first.pk))
        list(
            recall(line.configuration, wanted, by="jo", reason="a mistake", now=lambda: line.clock)
        )
        again = deliver(line, "ACC2")

        machine.release(again.pk, nr=None, reason="it was a mistake", now=line.clock)
        line.work()

        assert line.batch(again.pk).status == Status.DONE
        assert digests(receiver) == sent(first)


def hand_in(line: Line, name: str, *, numbers: Iterable[int] = ALL, **attributes: object) -> int:
    """Hand in the one Study that these tests are about, or some images of it."""
    arriving = line.installation.root / "arriving" / name
    for number in numbers:
        ds = make_instance(seed="the study", number=number, **attributes)
        write_instance(arriving / f"{number}.dcm", ds)
    arriving.rename(line.installation.inbox / name)
    return line.hand_in(name)


def work_until(line: Line, batch_id: int, stage: Stage) -> None:
    """Advance a batch until it stands before a stage."""
    runner = line.runner()
    while line.batch(batch_id).stage != stage:
        runner.advance(batch_id)


def deliver(line: Line, name: str, *, numbers: Iterable[int] = ALL, **attributes: object) -> Batch:
    """Hand the Study in, work until everything rests, and return its batch."""
    batch_id = hand_in(line, name, numbers=numbers, **attributes)
    line.work()
    return line.batch(batch_id)


def sent(batch: Batch) -> dict[str, str]:
    """Return the SHA-256 of each result of a batch by its new UID."""
    return dict(Image.objects.filter(batch=batch).values_list("sop_instance_uid", "sha256"))


def digests(receiver: Receiver) -> Mapping[str, str]:
    """Return what the receiver holds; nothing may be there twice."""
    held = receiver.held()
    assert {uid: len(found) for uid, found in held.items()} == dict.fromkeys(held, 1)
    return {uid: sha256(found[0]) for uid, found in held.items()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
