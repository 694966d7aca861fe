"""How people sign in through a provider of their own (OpenID Connect), and which roles they get.

What goes over the wire is in ``web/provider.py``.  Nobody gets a role that is not written here:
a group that is not named gives nothing.
"""

from collections.abc import Iterator, Set
from typing import Literal

from pydantic import Field, SecretStr

from sendit.config.problems import Problem, unknown
from sendit.config.section import Section, Text
from sendit.identity.http_json import ServiceUrl
from sendit.storage.base import LocalPath

_NEEDED = ("issuer", "client_id", "client_secret")


class OidcRole(Section):
    """What the members of one group may do; what it may hold is as `sendit user role` has it."""

    group: Text
    """As the provider calls it."""
    role: Literal["viewer", "operator", "reviewer", "re-identifier", "admin"]
    """What its members are."""
    project: Text | None = None
    """Only in this project; left out: in every project."""


class Oidc(Section):
    """Signing in through a provider (OpenID Connect); off unless `issuer` is set."""

    issuer: ServiceUrl | None = None
    """The provider's address, as it writes it itself; `https://` except on this very machine."""
    client_id: Text | None = None
    """The name under which the provider knows sendit."""
    client_secret: SecretStr | None = None
    """What sendit shows to the provider."""
    pages_url: ServiceUrl | None = None
    """Under which browsers reach the pages; left out: as they ask, at loopback only."""
    label: Text = "Sign in with your institution"
    """What stands on the button."""
    scopes: tuple[Text, ...] = ("openid", "profile")
    """What is asked for; `openid` among them."""
    name_claim: Text = "preferred_username"
    """What somebody is called here, taken at the first time."""
    groups_claim: Text = "groups"
    """Where the id token lists somebody's groups."""
    ca_file: LocalPath | None = None
    """Certificates to trust instead of the system's."""
    roles: tuple[OidcRole, ...] = Field(default=())
    """Which groups have which roles; a group that is not named gives nothing."""


def oidc_problems(oidc: Oidc, *, away: bool, file: str) -> Iterator[Problem]:
    """Find what is wrong with the section as a whole.

    Parameters
    ----------
    oidc
        What was read.
    away
        Whether the pages are reached from other machines.
    file
        Where it was read from.
    """
    if oidc == Oidc():
        return
    for key in _NEEDED:
        if not getattr(oidc, key):
            why = "is missing; signing in through a provider needs it"
            if key == "client_secret":
                why += ", best in SENDIT_OIDC_CLIENT_SECRET_FILE"
            yield Problem(file, f"oidc.{key}", why)
    if not oidc.roles:
        yield Problem(
            file, "oidc.roles", "is missing; without one nobody who signs in may see anything"
        )
    if "openid" not in oidc.scopes:
        yield Problem(file, "oidc.scopes", 'lacks "openid"')
    if away and oidc.pages_url is None:
        yield Problem(
            file,
            "oidc.pages_url",
            "is missing; pages that others reach need the address at which they do: https://HOST",
        )
    if oidc.ca_file is not None and not oidc.ca_file.is_file():
        yield Problem(file, "oidc.ca_file", "is not a file")


def oidc_project_problems(oidc: Oidc, *, projects: Set[str], file: str) -> Iterator[Problem]:
    """Find roles in projects that are not there."""
    for number, one in enumerate(oidc.roles, start=1):
        if one.project is not None and one.project not in projects:
            text = f'"{one.project}" {unknown(one.project, projects)}'
            yield Problem(file, f"oidc.roles[{number}].project", text)
