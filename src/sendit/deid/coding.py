"""Which coded terms are of the standard's coding schemes, and which a site made up.

A term of a published scheme means what its number says, and is never rewritten.  A site's own
code is a number with a text beside it that somebody typed; that text is cleaned like any other.

DICOM: PS3.3 8.2 (schemes that begin with 99, and L, are private or local), PS3.16 8 (Table 8-1).
"""

from typing import Final

_TABLE_8_1: Final = """
99SDM ACR ARIA ASTM-2084 ASTM-SIGPURPOSE BARI BI C4 C5 CADSR CD2 CTCAE CTCAE-3 CTCAE-4 CTCAE-5
CVX DCM DCMUID FMA HCPCS HL7 HPC I10 I10P I9 I9C IBSI ICDO3 IEEE1073 IHERO INCHI INCHIKEY
ISO3166_1 ISO639_1 ISO639_2 ISO_OID ITIS_TSN JC8 JJ1017 JJ1017T JJ1017-16M JJ1017-16P JJ1017-32
LB LN MAYOASRG MDC MDNS MFS MGI MSH NCI NCIT NDA NDC NEU NICIP NYUMCCG POS PATHLEX PNI
PUBCHEM_CID RADLEX RADELEMENT RFC3066 RO RXNORM SCPECG SCT SNM3 SRT SSD TNM U UBERON UCUM UMD
UMLS UNS UPC W
"""
PUBLISHED: Final = frozenset(name.encode("ascii") for name in _TABLE_8_1.split())


def is_published(designator: bytes) -> bool:
    """Return whether a Coding Scheme Designator is of a scheme that others publish, too."""
    return designator.strip(b" \0").upper() in PUBLISHED
