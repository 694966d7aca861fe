"""What a real browser makes of the pages: nothing foreign, nothing cut off, readable."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.installation import SOURCES, Installation
from tests.support.make_study import not_dicom
from tests.support.serving import serving, until

PHONE, DESK = 390, 1300
STYLES = (
    SOURCES / "sendit/web/static/web/sendit.css",
    SOURCES / "sendit/metrics/templates/report.css",
)
TEXTS = ("ink", "muted", "accent", "good", "busy", "waiting", "bad", "quiet")


@contextmanager
def _watched(browser: Browser, *, allowed: str) -> Iterator[Page]:
    """Open a page that fails the test when it complains or asks anybody else for anything."""
    page = browser.new_page()
    foreign: list[str] = []
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: asked.url.startswith((allowed, "data:")) or foreign.append(asked.url),
    )
    yield page
    page.close()
    assert foreign == []
    assert complaints == []


def _fits(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (PHONE, DESK):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_pages_of_a_real_run_in_a_real_browser(
    installation: Installation, chromium: Browser
) -> None:
    installation.add_study("ACC-771", n_images=2)
    not_dicom(installation.add_study("ACC-772", n_series=1, n_images=1) / "notes.txt")

    with serving(installation, "--port", "0") as served:
        until(served.link)
        with _watched(chromium, allowed=served.address) as page:
            page.goto(served.link())
            page.get_by_role("heading", name="Needs a person").wait_for(timeout=30_000)
            page.get_by_role("cell", name="DONE", exact=True).wait_for(timeout=30_000)
            page.goto(f"{served.address}?refresh=off")
            _fits(page)
            told = page.locator("table.batches").inner_text()
            urgent = page.locator("section", has_text="Needs a person").first.inner_text()
            page.get_by_role("button", name="Sign out").click()
            page.get_by_text("You are signed out").wait_for()

    assert "ACC-771" in told
    assert "ACC-772" in urgent
    assert "NOT_DICOM" in urgent

    assert installation.run("report", "--output", "page.html").returncode == 0
    address = (installation.root / "page.html").as_uri()
    with _watched(chromium, allowed=address) as page:
        page.goto(address)
        _fits(page)
        drawn = page.evaluate("[...document.images].filter(i => i.naturalWidth).length")
    assert drawn == 3


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(style: Path, scheme: str) -> None:
    blocks = re.findall(r":root \{([^}]*)\}", style.read_text())
    colours = dict(re.findall(r"--(\w+): (#\w+)", blocks[scheme == "dark"]))

    for text in TEXTS:
        for ground in ("paper", "card", *(("wash",) if "wash" in colours else ())):
            assert _contrast(colours, text, ground) >= 4.5, (text, ground)


def _contrast(colours: Mapping[str, str], one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it."""
    lights = sorted((_luminance(colours[one]), _luminance(colours[other])))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
