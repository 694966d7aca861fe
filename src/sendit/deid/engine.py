"""One instance, top to bottom.

::

    frame     where the data set begins, how it is encoded            part10.py
    walk      what matters in it, at every depth                      segments.py, walk.py
    hold      what a person has to see first                          holds.py
    identity  who the patient becomes, what is known of them          identities.py, knowledge.py
    rewrite   each attribute by its rule                              plans.py, table_plans.py,
                                                                      actions.py
    pixels    cut to their length, freed of what is no picture        pixels/
    stamp     what was done                                           stamp.py
    write     beside its place, checked, renamed into it              result_writer.py, release.py

An engine serves one process and one batch: it remembers decisions and answers, never from
one patient's Study to another's, and what it makes of a file depends on nothing but the
file, the recipe, the identities and the names given at the start.
"""

import hashlib
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from sendit.deid.actions import WrongCharacterSet
from sendit.deid.compose import Composed, compose
from sendit.deid.dates import shift_date
from sendit.deid.descriptions import DESCRIBING
from sendit.deid.files import (
    FileSource,
    Source,
    content_of,
    memory_file,
    part_path,
)
from sendit.deid.holds import hold
from sendit.deid.identities import Identities, normal_id
from sendit.deid.instance import Instance, gather, own_values
from sendit.deid.knowledge import Knowledge
from sendit.deid.listing import Listing
from sendit.deid.part10 import DIRECTORY, SUPPORTED, Frame, build_meta, read_frame
from sendit.deid.places import Place
from sendit.deid.plans import Plans
from sendit.deid.private import rebuilt_tags, shipped_elements
from sendit.deid.reading import read_data_set
from sendit.deid.recipe import Recipe
from sendit.deid.release import Allowance, Gate
from sendit.deid.report import Report, count_notes
from sendit.deid.result_writer import ResultWriter, Writing
from sendit.deid.rules import Context, Note, Rule
from sendit.deid.site_lists import patterns_of
from sendit.deid.site_screen import screen_by_site
from sendit.deid.uids import NewUids
from sendit.errors import Excluded, Rejected, Unreadable
from sendit.terms import Outcome, Reason

MAX_CONTEXTS: Final = 64
MENDED: Final = frozenset(("structure", "command-group"))
"""Repairs without which an original cannot be read."""
MAX_MENDED_FILE: Final = 1 << 29
UID: Final = re.compile(r"\d[\d.]{0,63}", re.ASCII)
UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
DATES: Final = (b"DA", b"DT")
ACCESSION_NUMBER: Final = 0x00080050


@dataclass(frozen=True, slots=True)
class Written:
    """What stands at the destination."""

    file: str | None
    sha256: str
    length: int
    sources: str = ""
    """As the release check found them."""


Steps: TypeAlias = Generator[None, None, Report]
"""An instance on its way: it pauses while a thread writes it, and returns its report."""


class Engine:
    """De-identifies instances of one batch in one process.

    Parameters
    ----------
    recipe
        What is done.
    identities
        Who replaces whom, for every Study that will come.
    extra_known
        Names of the folders and files that the batch came in; they may identify.
    """

    def __init__(
        self, recipe: Recipe, identities: Identities, *, extra_known: Sequence[str] = ()
    ) -> None:
        self._recipe = recipe
        self._identities = identities
        self._knowledge = Knowledge(recipe, identities, extra_known=extra_known)
        described = tuple({text for tag, _vr, text in identities.known if tag in DESCRIBING})
        self._gate = Gate(allowance_of(recipe), extra=extra_known, descriptions=described)
        self._uids = NewUids(identities.uid_key)
        self._writer = ResultWriter()
        lists = recipe.site.lists if recipe.site is not None else ()
        self._listing = Listing(lists) if lists else None
        self._plans: dict[str, Plans] = {}
        self._contexts: dict[tuple[object, ...], Context] = {}

    def deidentify_to(self, source: Path, destination: Path) -> Report:
        """Write the de-identified instance to ``destination``, whose folder is there.

        Raises
        ------
        sendit.errors.ImageError
            ``Unreadable``, ``Excluded``, ``Held`` or ``Rejected``; no file is left behind.
        """
        return _at_once(self._steps(source, lambda _instance: (destination, None)))

    def deidentify_into(self, source: Path, root: Path) -> Report:
        """Write to ``root/<PatientID>/<Study>/<Series>/<SOP>.dcm``, all new values.

        ``Report.file`` is that path, relative to ``root``. Raises as ``deidentify_to`` does.
        """
        return _at_once(self.steps_into(source, root))

    def steps_into(self, source: Path, root: Path) -> Steps:
        """Do what ``deidentify_into`` does, pausing so that others can be begun meanwhile.

        Closed before its end, it leaves no file behind.
        """

        def place(instance: Instance) -> tuple[Path, str]:
            relative = self._place(instance)
            return root / relative, str(relative)

        return self._steps(source, place)

    def _steps(self, original: Path, place: Callable[[Instance], tuple[Path, str | None]]) -> Steps:
        with FileSource(original) as source:
            instance = self._instance(source)
            destination, relative = place(instance)
            context = self._context(instance)
            composed = self._composed(instance, context)
            writing = self._started(part_path(destination), composed, instance, relative)
            notes = composed.notes
            del composed  # it is large
            try:
                yield
                digest = writing.wait()
                with _as_readable(instance, original) as before:
                    known = self._gate.known_of(before)
                    sources = self._gate.check(writing.path, known=known, original=before)
                writing.keep_as(destination)
            except BaseException:
                writing.remove()
                raise
            written = Written(relative, digest.sha256, digest.length, sources)
            return self._report(instance, context, source.size, written, notes)

    def _started(
        self, part: Path, composed: Composed, instance: Instance, relative: str | None
    ) -> Writing:
        header, bodies, read = composed.header, composed.bodies, instance.frame.source
        try:
            return self._writer.start(part, header, bodies, read)
        except FileNotFoundError:
            if relative is None:
                raise
            part.parent.mkdir(parents=True, exist_ok=True)
            return self._writer.start(part, header, bodies, read)

    def _instance(self, source: Source) -> Instance:
        """Read and walk one file."""
        frame = read_frame(source)
        guess = frame.media_sop_class_uid
        instance = self._walk(frame, guess)
        actual = instance.text("sop_class")
        if actual == DIRECTORY:
            raise Excluded(Reason.DICOMDIR)
        if not actual or not instance.text("sop_instance"):
            raise Unreadable(Reason.NOT_DICOM, "has no SOP Class UID or no SOP Instance UID")
        if not UID.fullmatch(actual):
            raise Unreadable(Reason.MALFORMED, "(0008,0016) is no UID")
        if actual != guess:
            instance = self._walk(frame, actual)
        screen_by_site(instance, self._recipe)
        if frame.transfer_syntax_uid not in SUPPORTED:
            raise Rejected(Reason.UNSUPPORTED, "(0002,0010) is no transfer syntax known here")
        hold(instance.traits(), self._recipe)
        return instance

    def _walk(self, frame: Frame, sop_class_uid: str) -> Instance:
        plans = self._plans.get(sop_class_uid)
        if plans is None or plans.overgrown:
            plans = self._plans[sop_class_uid] = Plans(self._recipe, sop_class_uid)
            self._contexts.clear()
        frame, found = read_data_set(
            frame, lambda syntax: plans.plan(Place((), syntax)), drops=_drops
        )
        values, charset = own_values(found)
        return Instance(frame, found, plans, values, charset)

    def _context(self, instance: Instance) -> Context:
        if instance.context is None:
            instance.context = self._find_context(instance)
        return instance.context

    def _find_context(self, instance: Instance) -> Context:
        patient = instance.text("patient_id")
        study = instance.text("study")
        if not patient:
            raise Rejected(Reason.NO_IDENTITY, "(0010,0020) is empty or missing")
        known = self._knowledge.known(gather(instance.scan))
        listed = self._listing.of(instance) if self._listing is not None else ()
        key = (instance.text("sop_class"), normal_id(patient), study, known, listed)
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) >= MAX_CONTEXTS:
                self._contexts.clear()
            identity = self._identities.of(patient, study)
            cleaner = self._knowledge.cleaner(known, identity)
            context = self._contexts[key] = Context(
                identity, self._uids, cleaner, listed=patterns_of(listed)
            )
        return context

    def _place(self, instance: Instance) -> Path:
        identity = self._context(instance).identity
        patient = UNSAFE.sub("_", identity.patient_pseudonym)
        if patient.strip(".") == "":
            raise Rejected(Reason.NO_IDENTITY, "the patient's new name cannot name a folder")
        parts = (instance.values.get(role, b"") for role in ("study", "series", "sop_instance"))
        study, series, sop = (self._new_uid(part) or "0" for part in parts)
        return Path(patient, study, series, f"{sop}.dcm")

    def _new_uid(self, value: bytes) -> str:
        if "retain-uids" in self._recipe.options:
            kept = value.decode("ascii", "replace").strip("\0 ")
            # It names folders and files, so it must be what it should be.
            if kept and not UID.fullmatch(kept):
                raise Unreadable(Reason.MALFORMED, "a UID that is to be kept is none")
            return kept
        return self._uids.of(value).decode("ascii")

    def deidentify_bytes(self, source: Source) -> tuple[bytes, Report]:
        """De-identify an instance in memory; raises as ``deidentify_to`` does."""
        instance = self._instance(source)
        context = self._context(instance)
        composed = self._composed(instance, context)
        read = instance.frame.source
        result = b"".join((*composed.header, *(content_of(body, read) for body in composed.bodies)))
        written = Written(None, hashlib.sha256(result).hexdigest(), len(result))
        return result, self._report(instance, context, source.size, written, composed.notes)

    def _composed(self, instance: Instance, context: Context) -> Composed:
        new_uid = self._new_uid(instance.values["sop_instance"])
        try:
            return compose(instance, context, recipe=self._recipe, sop_instance_uid=new_uid)
        except WrongCharacterSet:
            again = _in_utf8(instance)
            return compose(again, context, recipe=self._recipe, sop_instance_uid=new_uid)

    def _report(
        self,
        instance: Instance,
        context: Context,
        bytes_in: int,
        written: Written,
        notes: Sequence[Note],
    ) -> Report:
        actions, rules, elements = count_notes(notes)
        return Report(
            Outcome.WRITTEN,
            sop_instance_uid=self._new_uid(instance.values["sop_instance"]),
            series_instance_uid=self._new_uid(instance.values.get("series", b"")),
            study_instance_uid=self._new_uid(instance.values.get("study", b"")),
            patient_id=context.identity.patient_pseudonym,
            study_pseudonym=context.identity.study_pseudonym,
            study_date=self._study_date(instance, context),
            modality=instance.text("modality"),
            sop_class_uid=instance.text("sop_class"),
            file=written.file,
            sha256=written.sha256,
            bytes_in=bytes_in,
            bytes_out=written.length,
            actions=actions,
            rules=rules,
            elements=elements,
            sources=written.sources,
        )

    def _study_date(self, instance: Instance, context: Context) -> str:
        date = instance.text("study_date")
        if self._recipe.dates == "MODIFIED":
            date = shift_date(date, days=context.identity.shift_days)
        elif self._recipe.dates != "UNMODIFIED":
            return ""
        # What is no date, a range or a text, becomes part of no file name and no row.
        return date if len(date) == 8 and date.isascii() and date.isdigit() else ""


def _in_utf8(instance: Instance) -> Instance:
    """Walk an instance once more, to write its texts in UTF-8.

    What one text is in, the declaration and the other texts need not be in.
    """
    plans = instance.plans
    frame, found = read_data_set(
        instance.frame,
        lambda syntax: plans.plan(Place((), syntax, as_utf8=True)),
        drops=_drops,
    )
    return replace(instance, frame=frame, scan=found, as_utf8=True)


def _at_once(steps: Steps) -> Report:
    try:
        while True:
            next(steps)
    except StopIteration as end:
        report: Report = end.value
        return report


@contextmanager
def _as_readable(instance: Instance, original: Path) -> Iterator[Path]:
    """Yield the original, or, if only a mended copy of it can be read, that copy in memory.

    The release check reads strictly: of a broken original it would see only the beginning, and
    would not know what else to look for.
    """
    frame = instance.frame
    if MENDED.isdisjoint(frame.repairs):
        yield original
        return
    if frame.source.size > MAX_MENDED_FILE:
        raise Unreadable(Reason.MALFORMED, "is too large to be mended")
    meta = build_meta(
        sop_class_uid=instance.text("sop_class"),
        sop_instance_uid="2.25.0",  # nobody reads it
        transfer_syntax_uid=frame.output_transfer_syntax_uid,
    )
    with memory_file((meta, frame.source.read(frame.start, frame.source.size))) as path:
        yield path


def allowance_of(recipe: Recipe) -> Allowance:
    """Return what the release check must know of a recipe."""
    private: set[tuple[int, str, int]] = set()
    if "retain-safe-private" in recipe.options:
        private.update((one.group, one.creator, one.element) for one in shipped_elements())
    private.update((one.group, one.creator, one.element) for one in recipe.safe_private)
    touched = rebuilt_tags() if private else frozenset()
    if recipe.site is not None:
        touched |= recipe.site.touched
    touched |= recipe.released_bodies
    return Allowance(
        frozenset(recipe.options),
        touched=touched,
        by_value=recipe.site.touched_by_value if recipe.site is not None else None,
        private=frozenset(private),
        numbers=Reason.NUMBER_HIT in recipe.releases,
    )


def _drops(rule: object) -> bool:
    return type(rule) is Rule and rule.drops
