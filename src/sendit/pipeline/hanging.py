"""Whether a step of a batch sits in a file system that does not answer, asked without waiting.

A supervisor looks here when a worker has not got on for as long as its lease: the worker may
sleep in the kernel, where nobody can ask it.
"""

from pathlib import Path

from sendit.config import Configuration
from sendit.config.answering import Question
from sendit.config.mounts import mount_at, resolved, silent_mounts
from sendit.config.places import places, places_of
from sendit.records.models import Batch


class Doubts:
    """The questions that are open, by batch."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._open: dict[int, list[Question]] = {}
        paths = {place.path for place in places(configuration)}
        silent_mounts(paths)  # all at once; those that hang are not asked one by one then
        self._resolved = {path: resolved(path) for path in paths}

    def __call__(self, batch_id: int) -> bool:
        """Say whether a file system that the batch's steps need is known not to answer."""
        if batch_id not in self._open:
            self._open = {batch_id: [Question(point) for point in self._points(batch_id)]}
        answers = [question.answer() for question in self._open[batch_id]]
        if None not in answers:
            del self._open[batch_id]
        return False in answers

    def _points(self, batch_id: int) -> set[Path]:
        """Return where what the batch uses is mounted, if somebody else has to answer there."""
        found = Batch.objects.filter(pk=batch_id).values_list("inbox", "project").first()
        if found is None:
            return set()
        inbox, name = found
        paths = [Path(inbox)]
        project = self._configuration.projects.get(name)
        if project is not None:
            paths += [place.path for place in places_of(project)]
        mounts = {mount_at(self._resolved.get(path, path)) for path in paths}
        return {mount.point for mount in mounts if mount.may_hang}
