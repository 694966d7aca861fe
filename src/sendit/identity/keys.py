"""Derive the keys of one namespace and purpose from the site key.

HKDF with SHA-256 (RFC 5869).  Two namespaces have unrelated keys, so two projects cannot be
joined by a UID or a pseudonym unless they were given the same namespace on purpose.  A
namespace may have a random key of its own, which is the salt: without it the site key says
nothing about the namespace.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(site_key: bytes, *, namespace: str, purpose: str, own_key: bytes | None) -> bytes:
    """Return the 32 bytes that belong to one purpose in one namespace.

    Parameters
    ----------
    site_key
        The installation's key.
    namespace, purpose
        What the result is for.
    own_key
        The namespace's own key; None when it has none.
    """
    # Lengths come first, so that no two pairs of names run together into the same bytes.
    info = b"".join(
        len(part).to_bytes(2, "big") + part
        for part in (b"sendit", namespace.encode(), purpose.encode())
    )
    return HKDF(algorithm=SHA256(), length=32, salt=own_key, info=info).derive(site_key)
