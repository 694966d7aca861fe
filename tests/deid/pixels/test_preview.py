"""Previews: what a person sees of a result."""

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from sendit.deid.pixels.frame import look_at
from sendit.deid.pixels.picture import Window, grey, png, shrink
from sendit.deid.pixels.preview import render, write_previews
from tests.support.make_study import empty, make_instance, not_dicom, truncate, write_instance

RAMP = np.arange(256, dtype="<u2").reshape(16, 16)


def _written(path: Path, **attributes: object) -> Path:
    syntax = str(attributes.pop("transfer_syntax_uid", ExplicitVRLittleEndian))
    ds = make_instance(**attributes)  # type: ignore[arg-type]
    return write_instance(path, ds, transfer_syntax_uid=syntax)


def _pixels(data: bytes | None) -> np.ndarray:
    assert data is not None
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
    ],
    ids=["implicit", "explicit", "big-endian", "deflated", "rle"],
)
def test_the_picture_is_the_same_in_every_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    plain = _written(tmp_path / "plain.dcm")
    other = _written(tmp_path / "other.dcm", transfer_syntax_uid=syntax)

    one, two = render([plain, other])

    assert one.png is not None
    assert np.array_equal(_pixels(one.png), _pixels(two.png))


@pytest.mark.parametrize("codec", ["jp2klossless", "jpeg_ls_lossless", "RLE"])
def test_a_losslessly_compressed_instance_shows_the_same(codec: str) -> None:
    names = ("MR_small.dcm", f"MR_small_{codec}.dcm")

    one, two = render([Path(str(get_testdata_file(name, download=False))) for name in names])

    assert one.png is not None
    assert np.array_equal(_pixels(one.png), _pixels(two.png))


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    normal = _written(tmp_path / "a.dcm")
    inverted = _written(tmp_path / "b.dcm", PhotometricInterpretation="MONOCHROME1")

    one, two = (_pixels(picture.png) for picture in render([normal, inverted]))

    assert np.array_equal(255 - one, two)


def test_a_window_of_the_instance_is_used() -> None:
    shown = grey(RAMP, slope=1, intercept=0, window=Window(100, 11), inverted=False)

    assert shown.ravel()[94] == 0
    assert shown.ravel()[105] == 255
    assert 0 < shown.ravel()[100] < 255


@pytest.mark.parametrize("window", [Window(5000, 10), Window(40, 0)], ids=["outside", "no width"])
def test_a_window_that_shows_nothing_is_replaced_by_percentiles(window: Window) -> None:
    shown = grey(RAMP, slope=1, intercept=0, window=window, inverted=False)

    assert (shown.min(), shown.max()) == (0, 255)


@pytest.mark.parametrize(
    ("attributes", "span"),
    [
        ({"RescaleIntercept": "-1024"}, Window(1024, 4096)),
        ({"RescaleIntercept": "0", "RescaleSlope": "2"}, Window(4096, 8192)),
        ({"PixelRepresentation": 1, "RescaleIntercept": "0"}, Window(0, 4096)),
    ],
    ids=["unsigned", "sloped", "signed"],
)
def test_what_values_could_be_is_known_without_reading_them(
    tmp_path: Path, attributes: dict[str, object], span: Window
) -> None:
    look = look_at(_written(tmp_path / "a.dcm", **attributes))

    assert (look.window, look.span) == (None, span)


def test_a_flat_image_is_drawn() -> None:
    assert grey(RAMP * 0, slope=1, intercept=0, window=None, inverted=False).max() == 0


def test_the_longest_side_is_512_and_the_shape_is_kept() -> None:
    big = np.full((1000, 2000), 7, dtype=np.uint8)

    small = shrink(big, longest_side=512)

    assert small.shape == (256, 512)
    assert set(small.ravel().tolist()) == {7}


def test_a_png_of_ours_is_read_by_others() -> None:
    colours = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)

    assert np.array_equal(_pixels(png(colours)), colours)


def test_only_the_middle_frame_of_a_long_ultrasound_is_drawn() -> None:
    path = get_testdata_file("examples_ybr_color.dcm", download=False)

    (picture,) = render([Path(str(path))])

    assert _pixels(picture.png).shape == (240, 320, 3)


@pytest.mark.parametrize(
    "name", ["waveform_ecg.dcm", "rtplan.dcm", "badVR.dcm", "JPEG-lossy.dcm", "README.txt"]
)
def test_what_cannot_be_drawn_has_a_reason(name: str) -> None:
    (picture,) = render([Path(str(get_testdata_file(name, download=False)))])

    assert picture.png is None
    assert picture.reason


def test_broken_files_have_a_reason(tmp_path: Path) -> None:
    files = [
        truncate(_written(tmp_path / "a.dcm")),
        truncate(_written(tmp_path / "b.dcm", transfer_syntax_uid=RLELossless), missing=200),
        empty(_written(tmp_path / "c.dcm")),
        not_dicom(tmp_path / "d.dcm"),
        tmp_path / "absent.dcm",
    ]

    assert all(picture.png is None and picture.reason for picture in render(files))


def test_a_decoder_that_hangs_costs_its_own_picture_only(tmp_path: Path) -> None:
    good = _written(tmp_path / "good.dcm", transfer_syntax_uid=RLELossless)
    ds = make_instance(rows=2000, columns=2000)
    slow = write_instance(tmp_path / "slow.dcm", ds, transfer_syntax_uid=RLELossless)

    pictures = render([good, slow, good], time_limit=timedelta(milliseconds=30))
    # The time limit is for the picture, so the small one may still be in time on a quiet machine.
    assert pictures[1].reason == "the decoder took too long"


def test_one_picture_a_series_of_its_middle_instance(tmp_path: Path) -> None:
    clean, out = tmp_path / "clean", tmp_path / "previews"
    images = []
    for series in (1, 2):
        for number in (1, 2, 3):
            file = f"{series}/{number}.dcm"
            _written(clean / file, series=series, number=number)
            images.append((f"2.25.{series}", file))

    previews = write_previews(clean, images, out)

    assert [preview.path for preview in previews] == [out / "2.25.1.png", out / "2.25.2.png"]
    (middle,) = render([clean / "1/2.dcm"])
    assert (out / "2.25.1.png").read_bytes() == middle.png
    assert sorted(path.name for path in out.iterdir()) == ["2.25.1.png", "2.25.2.png"]


def test_a_picture_that_is_there_is_kept(tmp_path: Path) -> None:
    clean, out = tmp_path / "clean", tmp_path / "previews"
    out.mkdir()
    (out / "2.25.1.png").write_bytes(b"drawn before")

    (preview,) = write_previews(clean, [("2.25.1", "gone.dcm")], out)

    assert preview.path == out / "2.25.1.png"
    assert preview.path.read_bytes() == b"drawn before"


def test_a_uid_that_is_no_file_name_writes_nothing(tmp_path: Path) -> None:
    _written(tmp_path / "a.dcm")

    (preview,) = write_previews(tmp_path, [("../../evil", "a.dcm")], tmp_path / "out")

    assert preview.path is None
    assert not (tmp_path / "out").exists()


def test_without_time_left_there_is_a_reason(tmp_path: Path) -> None:
    _written(tmp_path / "a.dcm")
    ticks: list[int] = []

    (preview,) = write_previews(
        tmp_path,
        [("2.25.1", "a.dcm")],
        tmp_path / "out",
        budget=timedelta(seconds=-1),
        progress=lambda: ticks.append(1),
    )

    assert preview.path is None
    assert preview.reason
    assert ticks == [1]
