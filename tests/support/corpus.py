"""Plant identifiers all over valid instances, and remember where: the ground of ``make audit``.

``plant_corpus`` writes Studies of every modality in every plain transfer syntax and several
character sets (declared rightly and wrongly).  Names, numbers, dates, addresses and UIDs of
patients and of third persons stand where they belong and where they do not: in free text, in
attributes that no table lists, in private elements, sequences, overlays, padding, the
preamble.  Values that research needs stand beside them and have to survive.

The same seed makes the same corpus; a run without a seed draws a new one and prints it.
``tests.support.leaks`` looks for what was planted.
"""

import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from tests.support.corpus_objects import BUILDERS, SOP_CLASSES
from tests.support.corpus_people import Case, Person, invent_case, plain
from tests.support.make_study import make_instance

MODALITIES = tuple(BUILDERS)
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
CHARSETS = {
    "ascii": "ISO_IR 100",
    "latin-1": "ISO_IR 100",
    "latin": "ISO_IR 192",
    "japanese": ["", "ISO 2022 IR 87"],
    "chinese": "GB18030",
}
LISTED_TEXTS = (
    *("StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments"),
    *("PatientComments", "AdditionalPatientHistory", "RequestedProcedureDescription"),
    *("PerformedProcedureStepDescription", "AdmittingDiagnosesDescription"),
)
"""Free text that PS3.15 lists and that Clean Descriptors keeps."""
UNLISTED_TEXTS = ("SoftwareVersions", "ConvolutionKernel", "FilterType", "ReceiveCoilName")
"""Text that PS3.15 does not list; it stays, and may hold anything."""
CLEAN_TEXTS = (
    *("T1 MPRAGE sag p2 iso", "white matter lesion", "brown adipose tissue", "long axis 4ch"),
    *("Thorax nativ axial Br59", "may represent artifact", "HEAD w/o contrast", "bell-shaped"),
    *("young adult protocol", "Baker cyst, left knee", "DWI b1000 ADC", "FDG uptake SUV max"),
)
"""Descriptions that name nobody, though they hold words that are also names."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One identifier in one file."""

    kind: str
    """``name``, ``number``, ``contact``, ``date``, ``uid``, ``institution`` or ``device``."""
    text: str = field(repr=False)
    where: str
    person: Person | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Specimen:
    """One planted file."""

    file: Path
    modality: str
    transfer_syntax_uid: str
    script: str
    patient_id: str = field(repr=False)
    study_instance_uid: str = field(repr=False)
    planted: tuple[Planted, ...] = field(repr=False)
    kept: tuple[tuple[str, str], ...] = ()
    """Keyword and value of the descriptions that name nobody."""


def plant_corpus(
    folder: Path,
    *,
    seed: int,
    modalities: Sequence[str] = MODALITIES,
    studies: int = 2,
    images: int = 2,
) -> list[Specimen]:
    """Write ``studies`` Studies of each modality with ``images`` instances each."""
    rng = random.Random(seed)
    specimens = []
    for modality in modalities:
        for number in range(studies):
            script = rng.choice(("ascii", *CHARSETS))
            case = invent_case(rng, script=script)
            syntax = rng.choice(SYNTAXES)
            name = case.patient.family if rng.random() < 0.3 else "study"
            root = folder / f"{modality}{number}_{name.replace(' ', '_')}"
            for image in range(1, images + 1):
                planter = Planter(case, rng, modality=modality, script=script, seed=f"{seed}{root}")
                specimens.append(planter.write(root / f"IM{image:04}", syntax=syntax, number=image))
    return specimens


class Planter:
    """Plants one instance."""

    def __init__(
        self, case: Case, rng: random.Random, *, modality: str, script: str, seed: str
    ) -> None:
        self._case = case
        self._rng = rng
        self._modality = modality
        self._script = script
        self._seed = seed
        self._planted: list[Planted] = []
        self._kept: list[tuple[str, str]] = []
        self._uid = ""

    def write(self, path: Path, *, syntax: str, number: int) -> Specimen:
        """Plant and write one instance."""
        with warnings.catch_warnings():
            # Values too long for their VR are planted, too: real files have them.
            warnings.simplefilter("ignore")
            return self._plant_and_write(path, syntax, number)

    def _plant_and_write(self, path: Path, syntax: str, number: int) -> Specimen:
        ds = self._instance(number)
        for plant in (
            self._header,
            self._texts,
            self._items,
            self._codes,
            self._private,
            self._graphics,
            self._of_modality,
        ):
            plant(ds)
        mislabel = self._script == "latin-1" and self._rng.random() < 0.5
        if mislabel:
            _as_utf8_under_latin_1(ds)
        self._write(path, ds, syntax)
        return Specimen(
            file=path,
            modality=self._modality,
            transfer_syntax_uid=syntax,
            script=f"{self._script}, mislabelled" if mislabel else self._script,
            patient_id=str(ds.PatientID),
            study_instance_uid=str(ds.StudyInstanceUID),
            planted=tuple(self._planted),
            kept=tuple(self._kept),
        )

    def _instance(self, number: int) -> Dataset:
        case = self._case
        day = f"{case.study_date:%Y%m%d}"
        ds = make_instance(modality="OT", seed=self._seed, number=number)
        for keyword in ("ConversionType", "PatientOrientation", "BodyPartExamined", "PixelData"):
            delattr(ds, keyword)
        ds.Modality = self._modality.split("-")[0]
        ds.SOPClassUID = SOP_CLASSES[self._modality]
        for keyword in ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate"):
            setattr(ds, keyword, day)
        ds.SpecificCharacterSet = CHARSETS[self._script]
        BUILDERS[self._modality](ds, seed=self._seed, number=number, rows=16, columns=16)
        if "RadiopharmaceuticalInformationSequence" in ds and self._modality == "PT":
            drug = ds.RadiopharmaceuticalInformationSequence[0]
            drug.RadiopharmaceuticalStartDateTime = f"{day}091500"
        self._uid = str(ds.StudyInstanceUID)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            self._note("uid", str(ds[keyword].value), keyword)
        self._note("date", day, "StudyDate")
        return ds

    def _note(self, kind: str, text: str, where: str, person: Person | None = None) -> str:
        self._planted.append(Planted(kind, text, where, person))
        return text

    def _header(self, ds: Dataset) -> None:
        case, note = self._case, self._note
        referrer, operator, mother = case.others
        ds.PatientName = case.patient.pn
        note("name", case.patient.pn, "PatientName", case.patient)
        ds.PatientID = note("number", case.patient_id, "PatientID")
        ds.AccessionNumber = note("number", case.accession_number, "AccessionNumber")
        ds.PatientBirthDate = note("date", f"{case.birth_date:%Y%m%d}", "PatientBirthDate")
        for keyword, person in (
            ("ReferringPhysicianName", referrer),
            ("OperatorsName", operator),
            ("PatientMotherBirthName", mother),
        ):
            setattr(ds, keyword, person.pn)
            note("name", person.pn, keyword, person)
        ds.PatientAddress = f"{case.street}, {case.town}"
        note("contact", case.street, "PatientAddress")
        ds.PatientTelephoneNumbers = note("contact", case.phone, "PatientTelephoneNumbers")
        ds.InstitutionName = note("institution", case.institution, "InstitutionName")
        ds.StationName = note("device", case.station, "StationName")
        ds.DeviceSerialNumber = note("device", case.serial, "DeviceSerialNumber")
        ds.StudyID = "1"

    def _texts(self, ds: Dataset) -> None:
        for keyword in LISTED_TEXTS:
            if keyword == "ProtocolName" and self._modality not in ("CT", "MR", "PT", "CT-ENH"):
                continue
            if self._rng.random() < 0.5:
                setattr(ds, keyword, self._sentence(keyword))
            else:
                text = self._rng.choice(CLEAN_TEXTS)
                setattr(ds, keyword, text)
                self._kept.append((keyword, text))
        for keyword in UNLISTED_TEXTS:
            if self._rng.random() < 0.3:
                setattr(ds, keyword, self._short_sentence(keyword))

    def _items(self, ds: Dataset) -> None:
        request = Dataset()
        request.RequestedProcedureDescription = self._sentence("RequestAttributesSequence")
        request.ScheduledProcedureStepDescription = "MR brain"
        request.RequestedProcedureID = "RP1"
        request.ScheduledProcedureStepID = "SPS1"
        ds.RequestAttributesSequence = Items([request])
        doctor = self._case.others[0]
        who = Dataset()
        who.PersonIdentificationCodeSequence = Items([_code("D77", doctor.family)])
        who.PersonAddress = self._note("contact", self._case.street, "PersonAddress")
        who.InstitutionName = self._case.institution
        ds.ReferringPhysicianIdentificationSequence = Items([who])
        self._note("name", doctor.pn, "PersonIdentificationCodeSequence", doctor)
        if self._rng.random() < 0.3:
            before = Dataset()
            before.PatientName = self._case.patient.pn
            before.PatientID = self._case.patient_id
            change = Dataset()
            change.AttributeModificationDateTime = f"{self._case.study_date:%Y%m%d}120000"
            change.ModifyingSystem = self._case.station
            change.SourceOfPreviousValues = self._case.institution
            change.ReasonForTheAttributeModification = "COERCE"
            change.ModifiedAttributesSequence = Items([before])
            ds.OriginalAttributesSequence = Items([change])

    def _codes(self, ds: Dataset) -> None:
        """Plant in codes that the site made up, now and then in the code itself."""
        if self._rng.random() < 0.5:
            meaning = self._sentence("ProcedureCodeSequence")
            ds.ProcedureCodeSequence = Items([_code("XA12", meaning, scheme="99RIS")])
        if self._rng.random() < 0.5:
            request = ds.RequestAttributesSequence[0]
            meaning = self._sentence("RequestedProcedureCodeSequence")
            scheme = self._rng.choice(("L", "99HIS", "KIS"))
            request.RequestedProcedureCodeSequence = Items([_code("77", meaning, scheme=scheme)])
        if self._rng.random() < 0.01:
            code = self._note("number", self._case.accession_number, "CodeValue")
            ds.AnatomicRegionSequence = Items([_code(code, "Chest", scheme="99RIS")])

    def _hidden_item(self) -> bytes:
        """Return a sequence as UN has it, from who does not know it (PS3.5 6.2.2 note 2)."""
        name = self._latin(self._named(self._case.patient, self._case.patient.pn, "UN sequence"))
        element = b"\x10\x00\x10\x00" + len(name).to_bytes(4, "little") + name
        return b"\xfe\xff\x00\xe0" + len(element).to_bytes(4, "little") + element

    def _private(self, ds: Dataset) -> None:
        block = ds.private_block(0x0029, "ACME 1.1", create=True)
        ds.add_new(0x00290031, "LO", f"Dr {self._case.others[0].family}")
        hidden = self._case.others[self._rng.randrange(3)]
        block.add_new(0x01, "LO", self._sentence("private LO"))
        block.add_new(0x02, "SH", self._case.accession_number)
        block.add_new(0x03, "PN", hidden.pn)
        block.add_new(0x04, "UN", self._latin(f"{self._case.patient.pn} {self._case.mail}"))
        block.add_new(0x05, "DA", f"{self._case.study_date:%Y%m%d}")
        block.add_new(0x06, "OB", b"\x01\x02\x00\xff" + self._latin(self._case.patient.family))
        block.add_new(0x08, "UN", self._hidden_item())
        inner = Dataset()
        inner.add_new(0x00290010, "LO", "ACME 1.1")
        inner.add_new(0x00291001, "LO", self._sentence("private item"))
        block.add_new(0x07, "SQ", Items([inner]))
        self._note("contact", self._case.mail, "private UN")
        if self._rng.random() < 0.5:
            # An orphan: nobody says whose block it is.
            ds.add_new(0x00351077, "LO", self._sentence("private orphan"))

    def _graphics(self, ds: Dataset) -> None:
        if "Rows" not in ds or self._rng.random() < 0.6:
            return
        ds.add_new(0x60000010, "US", 16)
        ds.add_new(0x60000011, "US", 16)
        ds.add_new(0x60000022, "LO", self._sentence("overlay"))
        ds.add_new(0x60000040, "CS", "G")
        ds.add_new(0x60000050, "SS", [1, 1])
        ds.add_new(0x60000100, "US", 1)
        ds.add_new(0x60000102, "US", 0)
        ds.add_new(0x60001500, "LO", self._case.patient.family[:20])
        ds.add_new(0x60003000, "OW", bytes(32))

    def _of_modality(self, ds: Dataset) -> None:
        person = self._rng.choice((self._case.patient, *self._case.others))
        if self._modality == "SR":
            ds.ContentSequence[0].TextValue = self._sentence("SR text")
            who = Dataset()
            who.RelationshipType, who.ValueType = "HAS OBS CONTEXT", "PNAME"
            who.ConceptNameCodeSequence = Items([_code("121008", "Person Observer Name")])
            who.PersonName = person.pn
            self._note("name", person.pn, "SR PNAME", person)
            ds.ContentSequence.insert(0, who)
        elif self._modality == "RTSTRUCT":
            ds.StructureSetLabel = f"{person.family[:12]}1"
            ds.StructureSetROISequence[0].ROIName = f"GTV {person.family} {person.given}"
            self._note("name", person.pn, "ROIName", person)
        elif self._modality == "RTPLAN":
            ds.RTPlanLabel = person.family[:14]
            ds.RTPlanDescription = self._sentence("RTPlanDescription")
            self._note("name", person.pn, "RTPlanLabel", person)
        elif self._modality == "SEG":
            ds.ContentCreatorName = person.pn
            ds.SegmentSequence[0].SegmentDescription = self._sentence("SegmentDescription")
            self._note("name", person.pn, "ContentCreatorName", person)
        elif self._modality == "PR":
            note = ds.GraphicAnnotationSequence[0].TextObjectSequence[0]
            note.UnformattedTextValue = self._sentence("UnformattedTextValue")

    def _sentence(self, where: str) -> str:
        """Return a free text with something in it that identifies."""
        case, rng, note = self._case, self._rng, self._note
        person = rng.choice((case.patient, case.patient, *case.others))
        forms: tuple[Callable[[], str], ...] = (
            lambda: self._named(person, f"{person.family}, {person.given}", where),
            lambda: self._named(person, f"{person.given} {person.family} follow-up", where),
            lambda: self._named(person, f"{person.family.upper()}_{person.given.upper()}", where),
            lambda: self._named(person, f"report to Dr. {person.family}", where),
            lambda: self._named(person, f"{person.given[0]}. {person.family} agrees", where),
            lambda: self._named(person, f"{person.family}{person.given}T1", where),
            lambda: self._named(person, f"{person.family.lower()}.{person.given.lower()}", where),
            lambda: self._named(person, f"{plain(person.family)} {plain(person.given)}", where),
            lambda: self._named(person, f"patient {person.given}", where),
            lambda: "see " + note("uid", self._uid, where),
            lambda: "MRN " + note("number", case.patient_id, where),
            lambda: "id:" + note("number", case.patient_id, where) + " checked",
            lambda: "acc " + note("number", case.accession_number, where),
            lambda: "call " + note("contact", case.phone, where),
            lambda: note("contact", case.mail, where),
            lambda: f"lives {note('contact', case.street, where)}, {case.town}",
            lambda: "born " + note("date", f"{case.birth_date:%d.%m.%Y}", where),
            lambda: "seen " + note("date", f"{case.study_date:%Y-%m-%d}", where),
            lambda: "seen " + note("date", f"{case.study_date:%m/%d/%Y}", where),
            lambda: "DOB " + note("date", f"{case.birth_date:%Y%m%d}", where),
            lambda: (
                "on "
                + note(
                    "date",
                    f"{case.study_date:%B} {case.study_date.day}, {case.study_date.year}",
                    where,
                )
            ),
            lambda: "prior of " + note("date", f"{case.study_date:%d %b %Y}", where),
            lambda: "from " + note("institution", case.institution, where),
        )
        return rng.choice(forms)()

    def _short_sentence(self, where: str) -> str:
        person = self._rng.choice((self._case.patient, *self._case.others))
        if person.is_clinical or len(person.family) > 12 or len(person.family) < 4:
            return self._note("number", self._case.accession_number, where)
        return self._named(person, person.family, where)

    def _named(self, person: Person, text: str, where: str) -> str:
        self._note("name", text, where, person)
        return text

    def _latin(self, text: str) -> bytes:
        plain = text.encode("utf-8" if self._script == "latin" else "latin-1", "replace")
        return plain + b" " * (len(plain) & 1)

    def _write(self, path: Path, ds: Dataset, syntax: str) -> None:
        person = self._case.patient
        ds.file_meta = FileMetaDataset()
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.file_meta.TransferSyntaxUID = UID(syntax)
        ds.file_meta.SourceApplicationEntityTitle = self._case.station
        ds.preamble = self._latin(person.pn)[:100].ljust(128, b"\0")
        native = syntax != DeflatedExplicitVRLittleEndian and "PixelData" in ds
        if native and self._rng.random() < 0.4:
            ds.PixelData += self._latin(self._case.accession_number)
        if self._rng.random() < 0.4:
            ds.add_new(0xFFFCFFFC, "OB", self._latin(f"{person.family} {self._case.mail}"))
        if syntax == ExplicitVRBigEndian and ds.get("BitsAllocated") == 16:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True, overwrite=True)


def _as_utf8_under_latin_1(ds: Dataset) -> None:
    """Write every text in UTF-8 though the header declares Latin-1."""
    for elem in ds.iterall():
        if elem.VR in ("LO", "SH", "ST", "LT", "UT", "PN") and isinstance(elem.value, str):
            elem.value = elem.value.encode().decode("latin-1")
        elif elem.VR == "PN" and elem.value:
            elem.value = str(elem.value).encode().decode("latin-1")


def _code(value: str, meaning: str, *, scheme: str = "DCM") -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
