"""The recipe: one frozen value that says everything about how a project is de-identified.

It is made of a preset (a name for a set of options), the project's own options, the policy for
pixels and the rules of the site.  Two recipes with the same digest give the same bytes for
the same input and key.

What an option means for an attribute is told in ``profile.py``.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sendit.deid.private import SafeElement
from sendit.deid.profile import FULL_DATES, MODIFIED_DATES, OPTION_CODES, edition
from sendit.deid.site_rules import SiteRules
from sendit.errors import ConfigurationInvalid
from sendit.terms import OUTCOME_OF, Outcome, Reason

DEFAULT_OPTIONS: Final = (MODIFIED_DATES,)
PRESETS: Final[Mapping[str, tuple[str, ...]]] = {
    "basic": (),
    "research": (
        "retain-patient-characteristics",
        "retain-longitudinal-modified-dates",
        "retain-device-identity",
        "retain-safe-private",
        "clean-descriptors",
    ),
    "tcia": (
        "retain-patient-characteristics",
        "retain-longitudinal-modified-dates",
        "retain-device-identity",
        "retain-safe-private",
        "clean-descriptors",
        "clean-structured-content",
        "clean-graphics",
    ),
    "keep-everything-safe": (
        "retain-patient-characteristics",
        "retain-longitudinal-modified-dates",
        "retain-device-identity",
        "retain-institution-identity",
        "retain-safe-private",
        "clean-descriptors",
        "clean-structured-content",
        "clean-graphics",
    ),
}
"""What each preset adds to the Basic Profile; ``docs/conformance.md`` tells what it keeps."""

PIXEL_POLICIES: Final = frozenset({"reject", "clean", "clean-all-text", "off"})
WITHOUT_ENGINE_PART: Final = frozenset({"clean-pixel-data", "clean-recognizable-visual-features"})
"""Declared options that nothing here carries out yet."""
ENCAPSULATED_DOCUMENT: Final = 0x00420011
"""The document itself: all that such an instance is there for (PS3.3 C.24.2)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How instances are de-identified; make one with ``resolve``."""

    preset: str
    options: tuple[str, ...]
    """The preset's and the project's, sorted."""
    pixels: tuple[tuple[str, str], ...] = ()
    """Policy by modality, ``*`` for all others; empty: by SOP Class."""
    pixels_off_reason: str = ""
    releases: frozenset[Reason] = frozenset()
    """Reasons to hold an instance that this recipe does not hold it for."""
    safe_private: tuple[SafeElement, ...] = ()
    """Private elements that the site vouches for."""
    site: SiteRules | None = None
    """The rules of the site's file."""
    digest: str = ""
    edition: str = ""

    @classmethod
    def resolve(
        cls,
        *,
        preset: str = "basic",
        options: Sequence[str] = DEFAULT_OPTIONS,
        pixels: str | Mapping[str, str] | None = None,
        pixels_off_reason: str | None = None,
        releases: Collection[str] = (),
        safe_private: Sequence[SafeElement] = (),
        site_rules: SiteRules | None = None,
    ) -> "Recipe":
        """Check the parts against each other and return the recipe.

        Parameters
        ----------
        preset
            A name of ``PRESETS``.
        options
            Names of PS3.15's option columns, added to the preset's.
        pixels
            What is done about text in pictures: a policy for all, or one by modality.
        pixels_off_reason
            Why nothing is done about it where the policy is ``off``.
        releases
            Reasons of outcome ``held`` for which nothing is held.
        safe_private
            Private elements that the site vouches for, beyond the shipped lists.
        site_rules
            What the site's file says; its own private elements and releases are added.

        Raises
        ------
        sendit.errors.ConfigurationInvalid
            Listing every problem, one a line.
        """
        if site_rules is not None:
            releases = {*releases, *site_rules.releases}
            safe_private = tuple(dict.fromkeys((*safe_private, *site_rules.private)))
        policies = {"*": pixels} if isinstance(pixels, str) else dict(pixels or {})
        reason = (pixels_off_reason or "").strip()
        problems = [*_problems(preset, options, policies, reason), *_release_problems(releases)]
        if problems:
            raise ConfigurationInvalid("\n".join(problems))
        every = tuple(sorted({*PRESETS[preset], *options}))
        content = {
            "preset": preset,
            "options": every,
            "pixels": policies,
            "pixels_off_reason": reason,
            "releases": sorted(releases),
            "safe_private": sorted(map(_as_row, safe_private)),
            "edition": edition(),
            "site": None if site_rules is None else site_rules.digest_text(),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        sorted_policies = tuple(sorted(policies.items()))
        released = frozenset(map(Reason, releases))
        return cls(
            preset=preset,
            options=every,
            pixels=sorted_policies,
            pixels_off_reason=reason,
            releases=released,
            safe_private=tuple(safe_private),
            site=site_rules,
            digest=digest,
            edition=edition(),
        )

    def releasing(self, *reasons: Reason) -> "Recipe":
        """Return a recipe that is the same but does not hold for these reasons.

        For one batch or image that a person has looked at; its digest is another one.
        """
        return Recipe.resolve(
            preset=self.preset,
            options=self.options,
            pixels=dict(self.pixels),
            pixels_off_reason=self.pixels_off_reason,
            releases={*self.releases, *reasons},
            safe_private=tuple(dict.fromkeys(self.safe_private)),
            site_rules=self.site,
        )

    def pixel_policy(self, modality: str) -> str:
        """Return what is done about text in pictures of a modality; "" where the SOP Class says."""
        policies = dict(self.pixels)
        return policies.get(modality, policies.get("*", ""))

    @property
    def released_bodies(self) -> frozenset[int]:
        """Return the attributes that stay as they are, since a person has looked at them."""
        return frozenset((ENCAPSULATED_DOCUMENT,) if Reason.DOCUMENT in self.releases else ())

    @property
    def dates(self) -> str:
        """Return what Longitudinal Temporal Information Modified (0028,0303) has to say."""
        if FULL_DATES in self.options:
            return "UNMODIFIED"
        return "MODIFIED" if MODIFIED_DATES in self.options else "REMOVED"

    def as_json(self) -> dict[str, Any]:
        """Return what a report says about the recipe."""
        return {
            "preset": self.preset,
            "options": list(self.options),
            "digest": self.digest,
            "edition": self.edition,
        }


def _problems(
    preset: str, options: Sequence[str], policies: Mapping[str, str], pixels_off_reason: str
) -> list[str]:
    problems = []
    if preset not in PRESETS:
        problems.append(f'preset: there is no "{preset}"; allowed: {", ".join(PRESETS)}')
    for option in options:
        if option not in OPTION_CODES:
            problems.append(f'options: there is no "{option}"; allowed: {", ".join(OPTION_CODES)}')
        elif option in WITHOUT_ENGINE_PART:
            problems.append(f'options: "{option}" is not available in this version; leave it out')
    every = {*PRESETS.get(preset, ()), *options}
    if {FULL_DATES, MODIFIED_DATES} <= every:
        problems.append(f'options: "{FULL_DATES}" and "{MODIFIED_DATES}" exclude each other')
    for policy in sorted(set(policies.values()) - PIXEL_POLICIES):
        allowed = ", ".join(sorted(PIXEL_POLICIES))
        problems.append(f'pixels: there is no "{policy}"; allowed: {allowed}')
    if "off" in policies.values() and not pixels_off_reason:
        problems.append('pixels: "off" needs pixels_off_reason: why no text can be burned in')
    return problems


def _as_row(element: SafeElement) -> tuple[int, str, int, str]:
    return element.group, element.creator, element.element, element.vr


def _release_problems(releases: Collection[str]) -> Iterator[str]:
    releasable = sorted(reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.HELD)
    for reason in releases:
        if reason not in releasable:
            yield f'releases: nothing is held as "{reason}"; allowed: {", ".join(releasable)}'
