"""What a real browser makes of the pages: nothing foreign, nothing cut off, readable by all.

A study goes through live, is opened, a stopped one is tried again; axe-core looks at every
page in both themes; a breach of the Content-Security-Policy is a complaint that fails.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

from tests.support.installation import INSTALLATION, PROJECT, SOURCES, Installation
from tests.support.make_study import not_dicom
from tests.support.serving import serving, until

PHONE, HALF, DESK = 390, 1000, 1300
STYLES = (
    SOURCES / "sendit/web/static/web/sendit.css",
    SOURCES / "sendit/metrics/templates/report.css",
)
TEXTS = ("ink", "muted", "accent", "good", "busy", "waiting", "bad", "quiet")
LISTS = ("", "batches/", "errors/", "projects/", "targets/", "settings/")
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
WAIT_MS = 60_000
LONG_NAME = "research-archive-of-radiology-in-the-basement-of-building-7"


@contextmanager
def _watched(browser: Browser, *, allowed: str) -> Iterator[Page]:
    """Open a page that fails the test when it complains or asks anybody else for anything."""
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
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
        for width in (PHONE, HALF, DESK):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def _drag(page: Page, picture: Locator) -> None:
    """Draw the mouse over a picture, a little to the right."""
    box = picture.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 50)
    page.mouse.up()


def _is_dark(page: Page) -> bool:
    """Say whether the ground is darker than what is written on it."""
    asked = "n => getComputedStyle(document.body)[n].match(/\\d+/g).slice(0, 3).map(Number)"
    ground, text = (sum(page.evaluate(asked, n)) for n in ("backgroundColor", "color"))
    return bool(ground < text)


def _stopped(page: Page) -> int:
    """Ask the API, as the page's own script could, how many batches are in ``ERROR``."""
    asked = "async () => (await (await fetch('/api/batches?status=ERROR')).json()).count"
    return int(page.evaluate(asked))


def _is_for_everybody(page: Page) -> None:
    """Let axe-core look at contrast, labels, names and order, in both themes."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options=AXE)
        assert found.violations_count == 0, f"{page.url} {scheme}\n{found.generate_report()}"


def test_a_study_is_watched_opened_and_a_stopped_one_tried_again(
    installation: Installation, chromium: Browser
) -> None:
    installation.write_project(
        PROJECT.replace('"out"', f'"{LONG_NAME}"') + 'results = "keep"\n', name=LONG_NAME
    )
    installation.write_config(
        INSTALLATION.replace("processes = 1", "processes = 1\ntries = 1").replace(
            '"demo"', f'"{LONG_NAME}"'
        )
    )
    not_dicom(installation.add_study("ACC-772", n_series=1, n_images=1) / "notes.txt")

    with serving(installation, "--port", "0") as served:
        until(served.link)
        with _watched(chromium, allowed=served.address) as page:
            page.goto(served.link())
            page.get_by_role("heading", name="Needs a person").wait_for()

            # One comes in while somebody looks, and goes through: the page shows it by itself.
            looked = page.locator("footer").inner_text()
            installation.add_study("ACC-771", n_images=2)
            page.get_by_role("link", name="ACC-771").wait_for()
            page.get_by_role("row", name="ACC-771").get_by_text("DONE", exact=True).wait_for()
            assert page.locator("footer").inner_text() != looked, "it says another time"
            page.get_by_role("link", name="ACC-771").click()
            page.get_by_role("heading", name="Timeline").wait_for()
            page.get_by_text("Receipt: 4 instances").wait_for()

            # What was done to one of its images, and its picture.
            page.get_by_role("link", name="View image 2").click()
            page.get_by_role("cell", name="PatientName").wait_for()
            picture = page.get_by_role("img", name="Result of image 2, slice 2 of 2")
            picture.press("ArrowUp")
            page.get_by_role("img", name="Result of image 2, slice 1 of 2").wait_for()
            drawn = "[...document.images].every(i => i.complete && i.naturalWidth)"
            until(lambda: page.evaluate(drawn))
            _drag(page, page.locator(".viewer img"))
            # From all that its values could be on, since it names no window of its own.
            assert int(page.get_by_label("Window width").input_value()) > 4096
            assert int(page.get_by_label("Window centre").input_value()) == 1024
            page.get_by_label("Window width").fill("50")
            page.get_by_label("Window centre").fill("10")
            until(lambda: page.evaluate("document.images[0].src.includes('width=50')"))
            _is_for_everybody(page)
            _fits(page)

            # A target is away: the study stops, the page says why, one click tries again.
            shutil.rmtree(installation.out)
            installation.add_study("ACC-773", n_series=1, n_images=1)
            page.goto(f"{served.address}errors/")
            until(lambda: _stopped(page) == 1)
            page.reload()
            installation.out.mkdir()
            page.get_by_role("button", name="Try it again").click()
            page.get_by_text("1 tried again").wait_for()
            page.goto(f"{served.address}batches/")
            page.get_by_label("Number or whole name").fill("ACC-773")
            page.get_by_role("button", name="Show").click()
            page.get_by_role("heading", name="1 batch found").wait_for()
            assert "ACC" not in page.url
            until(lambda: _stopped(page) == 0)

            # A person accepts the one with a bad file.
            page.goto(f"{served.address}batches/?errors=person")
            page.get_by_role("link", name="ACC-772").click()
            page.get_by_role("heading", name="Timeline").wait_for()
            _is_for_everybody(page)
            page.get_by_text("Accept without the bad").click()
            page.get_by_label("Why; do not name a patient").nth(0).fill("the note is not needed")
            page.get_by_role("button", name="Accept", exact=True).click()
            page.get_by_text("Accepted: it goes on").wait_for()

            for path in LISTS:
                page.goto(f"{served.address}{path}?refresh=off")
                _is_for_everybody(page)
                _fits(page)
            page.get_by_role("button", name="Sign out").click()
            page.get_by_role("heading", name="You are signed out").wait_for()
            _is_for_everybody(page)
            _fits(page)

    assert installation.run("report", "--output", "page.html").returncode == 0
    address = (installation.root / "page.html").as_uri()
    with _watched(chromium, allowed=address) as page:
        page.goto(address)
        _fits(page)
        pictures = page.evaluate("[...document.images].filter(i => i.naturalWidth).length")
    assert pictures == 4


def test_the_description_of_the_api_is_shown_without_asking_anybody(
    installation: Installation, chromium: Browser
) -> None:
    with serving(installation, "--port", "0") as served:
        until(served.link)
        with _watched(chromium, allowed=served.address) as page:
            page.goto(served.link())
            page.goto(f"{served.address}api/")
            page.get_by_text("/api/batches/{number}/retry").wait_for()
            for scheme, dark in (("light", False), ("dark", True)):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                until(lambda dark=dark: _is_dark(page) == dark)
            page.get_by_role("button", name="get /api/metrics", exact=True).click()
            page.get_by_role("button", name="Try it out").click()
            page.get_by_role("button", name="Execute").click()
            page.get_by_text("data_root").first.wait_for()


def test_everything_can_be_read_without_a_script(
    installation: Installation, chromium: Browser
) -> None:
    installation.add_study("ACC-771", n_series=1, n_images=1)
    assert installation.run("run", "--once").returncode == 0

    with serving(installation, "--port", "0") as served:
        until(served.link)
        page = chromium.new_context(java_script_enabled=False).new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(served.link())
        assert page.locator("noscript meta[http-equiv=refresh]").count() == 1
        page.get_by_role("link", name="ACC-771").click()
        page.get_by_role("link", name="View image 1").click()
        page.get_by_role("cell", name="PatientName").wait_for()
        page.close()


def test_a_page_that_cannot_be_brought_up_to_date_says_so(
    installation: Installation, chromium: Browser
) -> None:
    with serving(installation, "--port", "0") as served:
        until(served.link)
        page = chromium.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(served.link())
        page.context.clear_cookies()
        page.get_by_text("This page is not up to date").wait_for()
        page.close()


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


def test_a_page_can_be_used_by_its_keys_alone(
    installation: Installation, chromium: Browser
) -> None:
    installation.add_study("ACC-771", n_series=1, n_images=1)
    assert installation.run("run", "--once").returncode == 0

    with serving(installation, "--port", "0") as served:
        until(served.link)
        with _watched(chromium, allowed=served.address) as page:
            page.goto(served.link())
            page.goto(f"{served.address}batches/?refresh=off")
            page.keyboard.press("Tab")
            assert _focused(page) == ("Skip to the page", True)
            page.keyboard.press("Enter")
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.id") == "called", "the bar is skipped"
            page.keyboard.type("ACC-771")
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="1 batch found").wait_for()
            reached = []
            while "ACC-771" not in reached:
                page.keyboard.press("Tab")
                name, is_seen = _focused(page)
                assert is_seen, f"nobody sees that {name} has the focus"
                reached.append(name)
                assert len(reached) < 60, reached
            page.keyboard.press("Enter")
            page.get_by_role("heading", name="Timeline").wait_for()


def _focused(page: Page) -> tuple[str, bool]:
    """Return the text of what has the focus, and whether it is framed and in view."""
    return tuple(
        page.evaluate(
            """() => {
                const one = document.activeElement, box = one.getBoundingClientRect();
                const framed = getComputedStyle(one).outlineStyle !== "none"
                    || one.type === "date";  // the browser marks day, month and year in it
                return [one.innerText, framed && box.width > 1 && box.height > 1];
            }"""
        )
    )
