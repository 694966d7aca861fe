"""Which attributes hold identifiers: the gate's own list, beside the one of the engine.

A value of VR PN names a person, one of VR UI (but for classes) is a UID, one of VR DA or DT
a date; those need no entry.  The list is made from the names of PS3.6, not from the table of
PS3.15, so that an attribute which the table lacks can still stand here.
"""

import re
import struct
from enum import IntFlag
from functools import lru_cache

from sendit.deid.release_content import Level
from sendit.dictionary import PRIVATE, TAGS, private_name


class Kind(IntFlag):
    """What sort of thing an identifier names; an option of the profile may let a sort stand."""

    NAME = 1
    ID = 2
    CONTACT = 4
    INSTITUTION = 8
    DEVICE = 16
    FOLDER = 32


def _tags(keywords: str) -> frozenset[int]:
    found = (TAGS.get(keyword) for keyword in keywords.split())
    return frozenset(tag for tag in found if tag is not None)


PATIENT_NUMBERS = _tags("PatientID OtherPatientIDs AccessionNumber")
_STEPS = _tags(
    "StudyID RequestedProcedureID ScheduledProcedureStepID PerformedProcedureStepID StudyIDIssuer"
)
_IDS = _tags(
    """MedicalRecordLocator AdmissionID ServiceEpisodeID InsurancePlanIdentification
    PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest
    PlacerOrderNumberProcedure FillerOrderNumberProcedure ClinicalTrialSubjectID
    ClinicalTrialSubjectReadingID SpecimenAccessionNumber SpecimenIdentifier
    ContainerIdentifier SlideIdentifier InterpretationID ResultsID BarcodeValue
    PlacerOrderNumberImagingServiceRequestRetired FillerOrderNumberImagingServiceRequestRetired"""
)
_CONTACTS = _tags(
    """PatientAddress PatientTelephoneNumbers PatientTelecomInformation PersonAddress
    PersonTelephoneNumbers PersonTelecomInformation ReferringPhysicianAddress
    ReferringPhysicianTelephoneNumbers OrderCallbackPhoneNumber OrderCallbackTelecomInformation
    CountryOfResidence RegionOfResidence BranchOfService
    AddressTrial TelephoneNumberTrial DistributionAddress RetrieveURL RetrieveURI StorageURL"""
)
_INSTITUTIONS = _tags(
    """InstitutionName InstitutionAddress InstitutionalDepartmentName ResponsibleOrganization
    PatientInstitutionResidence ClinicalTrialSponsorName ClinicalTrialSiteName
    ClinicalTrialSiteID ClinicalTrialCoordinatingCenterName HumanPerformerOrganization
    VerifyingOrganization IssuerOfPatientID RequestingService CurrentPatientLocation
    ScheduledPatientInstitutionResidence RequestedProcedureLocation ScheduledStudyLocation
    OrderEntererLocation IssuerOfAdmissionID IssuerOfServiceEpisodeID ResultsIDIssuer
    InterpretationIDIssuer PerformedLocation ScheduledProcedureStepLocation"""
)
_DEVICES = _tags(
    """StationName ScheduledStationName PerformedStationName TreatmentMachineName PlateID
    DeviceSerialNumber DeviceID GridID GeneratorID CassetteID GantryID DetectorID XRaySourceID
    XRayDetectorID UniqueDeviceIdentifier SecondaryCaptureDeviceID HardcopyCreationDeviceID
    ModifyingDeviceID SourceSerialNumber LensSerialNumber CameraOwnerName DeviceAlternateIdentifier
    ManufacturerDeviceIdentifier StationAETitle ScheduledStationAETitle PerformedStationAETitle
    RetrieveAETitle ScheduledStudyLocationAETitle NetworkID ReceivingAE RequestingAE Originator
    DestinationAE SourceApplicationEntityTitle SendingApplicationEntityTitle
    ReceivingApplicationEntityTitle"""
)
KIND_OF_TAG = {
    **dict.fromkeys(_DEVICES, Kind.DEVICE),
    **dict.fromkeys(_INSTITUTIONS, Kind.INSTITUTION),
    **dict.fromkeys(_CONTACTS, Kind.CONTACT),
    **dict.fromkeys(_IDS | _STEPS | PATIENT_NUMBERS, Kind.ID),
}
CLASS_UIDS = _tags(
    """SOPClassUID ReferencedSOPClassUID TransferSyntaxUID ImplementationClassUID ContextUID
    MappingResourceUID CodingSchemeUID MediaStorageSOPClassUID ContextGroupExtensionCreatorUID
    RelatedGeneralSOPClassUID OriginalSpecializedSOPClassUID SOPClassesInStudy
    ReferencedSOPClassUIDInFile ReferencedTransferSyntaxUIDInFile SOPClassesSupported
    ReferencedRelatedGeneralSOPClassUIDInFile AvailableTransferSyntaxUID
    EncapsulatedTransferSyntaxUID"""
)
CODE_TEXTS = _tags("CodeValue CodeMeaning LongCodeValue URNCodeValue")
SCHEMES = _tags("CodingSchemeDesignator CodingSchemeVersion")
MAKERS = _tags(
    """Manufacturer ManufacturerModelName ManufacturerRelatedModelGroup SoftwareVersions
    SecondaryCaptureDeviceManufacturer SecondaryCaptureDeviceManufacturerModelName
    SecondaryCaptureDeviceSoftwareVersions HardcopyDeviceManufacturer HardcopyDeviceSoftwareVersion
    HardcopyDeviceManufacturerModelName DetectorManufacturerName DetectorManufacturerModelName
    ReceiveCoilManufacturerName TransmitCoilManufacturerName ApplicationManufacturer
    ApplicationSetupManufacturer SourceApplicatorManufacturer ManufacturerModelVersion"""
)
NO_SHORT = frozenset(
    (
        *MAKERS,
        *(0x00181210, 0x00080102, 0x00080103, 0x00080100),
        *(0x00120063, 0x00080104, 0x00189316, 0x00180024, 0x00181250, 0x00181251, 0x00020013),
    )
)
"""Attributes that name no one and are full of small numbers: versions, models, kernels, codes."""
OUR_NAMES = frozenset((0x00100020, 0x00080050, 0x00200010))
"""What holds a new name, which may be a number."""
OUR_WORDS = {
    0x00120063: re.compile(
        rb"sendit [\w.+]+\\PS3\.15 \w+, preset (?:basic|research|tcia|keep-everything-safe) ?"
    ),
    0x00080104: re.compile(
        rb"Basic Application Confidentiality Profile|(?:Clean|Retain) [A-Z][A-Za-z ]* Option ?"
    ),
}
"""What the engine says of itself; a folder may be called like one of its words."""
DESCRIPTIONS = _tags("SeriesDescription StudyDescription ProtocolName SequenceName")

_CODES_OF_PEOPLE = {
    **dict.fromkeys(_tags("PersonIdentificationCodeSequence"), Kind.NAME | Kind.ID),
    **dict.fromkeys(
        _tags("InstitutionCodeSequence InstitutionalDepartmentTypeCodeSequence"), Kind.INSTITUTION
    ),
}
_CONCEPT_NAME, _CODE = 0x0040A043, 0x00080100
_MEASURED, _UNITS, _NUMERIC_VALUE, _PRECISE_VALUE = 0x0040A300, 0x004008EA, 0x0040A30A, 0x0040A161
_NO_DATE = b"19000101"
"""What stands where a date had to go and could not be missing."""
_TEXT_VALUE = 0x0040A160
_CONCEPTS = {
    **dict.fromkeys(("121008", "121029", "121036", "121114", "128774"), Kind.NAME),
    **dict.fromkeys(("121022", "121030", "110190", "121018"), Kind.ID),
    **dict.fromkeys(("121013", "121016", "121027"), Kind.DEVICE),
    **dict.fromkeys(("121009", "121010"), Kind.INSTITUTION),
}
_CONTEXTS = _tags(
    """ContentSequence AcquisitionContextSequence ProtocolContextSequence
    ContentItemModifierSequence SpecimenPreparationStepContentItemSequence"""
)
_HOW_OLD = frozenset(["121033", "30525-0", "29553-5", "21611-9", "424144002", "397669002"])
_BORN = frozenset(["121031", "21112-8", "184099003"])
_DATES_OF_ITEM = _tags("Date DateTime")
_IN_YEARS = ("a", "")
_OLD = re.compile(r"(?<![\d.])(?:9[1-9]|1[0-4]\d)(?:\.\d*)?(?![\d.]| ?(?:[dhw]|m[io]|M\b))")
_NAME_WORDS = re.compile(
    r"(patient|physician|operator|doctor|technolog|referr|radiologist|performer).*name", re.I
)


@lru_cache(maxsize=4096)
def names_somebody(tag: int, creator: str) -> bool:
    """Return whether a private element is known to hold a person's name.

    The creator is in small letters; devices write theirs in others than the dictionary.
    """
    listed = _listed_creators().get(creator, ())
    return any(_NAME_WORDS.search(private_name(tag, one)) for one in listed)


@lru_cache(maxsize=1)
def _listed_creators() -> dict[str, list[str]]:
    """Return how the dictionary writes private creators, by their small letters."""
    found: dict[str, list[str]] = {}
    for creator in PRIVATE:
        found.setdefault(creator.casefold(), []).append(creator)
    return found


def identifiers_of_item(sequence_tag: int, item: Level) -> list[tuple[Kind, bytes]]:
    """Return what an item tells by its place: coded persons, SR answers to "who"."""
    kind = _CODES_OF_PEOPLE.get(sequence_tag)
    if kind is not None:
        return [(kind, value) for key, value in item.leaves if key >> 16 in CODE_TEXTS]
    kind = _CONCEPTS.get(_code_in(item, _CONCEPT_NAME))
    if kind is None:
        return []
    return [(kind, value) for key, value in item.leaves if key >> 16 == _TEXT_VALUE]


def tells_how_old(sequence_tag: int, item: Level) -> bool:
    """Return whether a content item says when somebody was born, or is over 90."""
    if sequence_tag not in _CONTEXTS:
        return False
    concept = _code_in(item, _CONCEPT_NAME)
    if concept in _BORN:
        return any(
            value.strip(b" \0") and not value.startswith(_NO_DATE)
            for key, value in item.leaves
            if key >> 16 in _DATES_OF_ITEM
        ) or any(char.isdigit() for char in _text(item.value(_TEXT_VALUE)))
    if concept not in _HOW_OLD:
        return False
    measured = next((one for key, one in item.sequences if key >> 16 == _MEASURED), None) or [item]
    in_years = _code_in(measured[0], _UNITS) in _IN_YEARS
    number = _text(measured[0].value(_NUMERIC_VALUE))
    precise = measured[0].by_tag().get(_PRECISE_VALUE, (0, b""))[1]
    return bool(
        _OLD.search(_text(item.value(_TEXT_VALUE)))
        or (in_years and _OLD.fullmatch(number))
        or (in_years and len(precise) == 8 and struct.unpack("<d", precise)[0] > 90)
    )


def _code_in(item: Level, sequence_tag: int) -> str:
    """Return the code of the first item of a code sequence, "" if there is none."""
    items = next((one for key, one in item.sequences if key >> 16 == sequence_tag), None)
    return _text(items[0].value(_CODE)) if items else ""


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")
