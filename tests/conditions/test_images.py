"""Pictures: bytes that depend on pixels alone, exact round trips, colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ArtifactError
from stages.artifacts import images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_round_trip_is_exact(tmp_path: Path, dtype: type, channels: int) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, np.iinfo(dtype).max + 1, (17, 23, channels)).astype(dtype)
    picture[4:9] = picture[3]
    picture[:, 10:] = picture[:, 10:11]
    images.write_png(tmp_path / "a.png", picture)
    assert np.array_equal(images.read_png(tmp_path / "a.png"), picture)


def test_pillow_agrees_with_our_writer_and_our_reader_with_pillow(tmp_path: Path) -> None:
    y, x = np.mgrid[0:64, 0:48]
    picture = np.stack([x * 5, y * 3, (x * y) % 256], -1).astype(np.uint8)
    images.write_png(tmp_path / "ours.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "ours.png")), picture)
    Image.fromarray(picture).save(tmp_path / "theirs.png")  # Pillow uses all five filters
    assert np.array_equal(images.read_png(tmp_path / "theirs.png"), picture)
    assert np.array_equal(images.read_srgb(tmp_path / "theirs.png"), picture / np.float32(255))


def test_equal_pixels_give_equal_bytes_and_nothing_but_pixels_is_written() -> None:
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    data = images.encode_png(picture)
    assert data == images.encode_png(picture.copy(order="F"))
    assert all(tag not in data for tag in (b"tIME", b"tEXt", b"gAMA", b"iCCP"))


def test_a_grey_picture_may_lack_its_channel_axis(tmp_path: Path) -> None:
    picture = np.array([[0, 65535], [7, 40000]], np.uint16)
    images.write_png(tmp_path / "d.png", picture)
    assert np.array_equal(images.read_png(tmp_path / "d.png")[..., 0], picture)
    assert np.allclose(images.read_srgb(tmp_path / "d.png")[..., 1], picture / 65535)


def test_what_cannot_be_written_or_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8 or uint16, got int64"):
        images.encode_png(np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match=r"\(H, W, 1..4\), got \(2, 2, 5\)"):
        images.encode_png(np.zeros((2, 2, 5), np.uint8))
    (tmp_path / "no.png").write_bytes(b"hello")
    for read in (images.read_png, images.read_srgb, images.picture_size):
        with pytest.raises(ArtifactError, match="no.png"):
            read(tmp_path / "no.png")
        with pytest.raises(ArtifactError, match="absent.png"):
            read(tmp_path / "absent.png")
    images.write_png(tmp_path / "cut.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-30])
    with pytest.raises(ArtifactError, match="cut.png"):
        images.read_png(tmp_path / "cut.png")


def test_srgb_is_the_standard_curve_and_its_own_inverse() -> None:
    x = np.linspace(0, 1, 1001)
    assert np.allclose(images.linear_to_srgb(images.srgb_to_linear(x)), x, atol=1e-6)
    assert images.srgb_to_linear(np.array([0.5]))[0] == pytest.approx(0.21404, abs=1e-5)
    assert np.allclose(images.linear_to_srgb(np.array([-1.0, 2.0])), [0.0, 1.0], atol=1e-12)
    assert images.srgb_to_linear(np.zeros((2, 2), np.float32)).dtype == np.float32


def test_contact_sheet_places_every_tile() -> None:
    tiles = [np.full((10, 8, 3), v, np.uint8) for v in (10, 20, 30)]
    sheet = images.contact_sheet(tiles, 2, labels=["a", "b", "c"], gap_px=2)
    assert sheet.shape == (2 * (10 + 14 + 2) + 2, 2 * (8 + 2) + 2, 3)
    assert (sheet[2:12, 2:10] == 10).all() and (sheet[2:12, 12:20] == 20).all() and (sheet[28:38, 2:10] == 30).all()
    assert (sheet[12:26, 2:10] < 128).any()  # the label
    clear = np.zeros((4, 4, 4), np.float32)
    assert (images.contact_sheet([clear], 1, background=77) == 77).all()
