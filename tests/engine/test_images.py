# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as footage: in order, upright, as bright as they are, with what their EXIF tells, and bad ones named."""

import numpy as np
import pytest

pytest.importorskip("av")
cv2 = pytest.importorskip("cv2")
Image = pytest.importorskip("PIL.Image")

from skel_blender.engine.footage.video import open_source  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests.pictures import STEP, picture, seen  # noqa: E402


def test_a_folder_of_frames_sorts_naturally(tmp_path):
    for number in (10, 9, 1, 2):
        Image.fromarray(picture(STEP * number)).save(tmp_path / f"shot{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    source = open_source([tmp_path])
    assert seen(source) == [(0, 1), (1, 2), (2, 9), (3, 10)]
    assert (source.fps, source.size) == (24, (64, 48))


@pytest.mark.parametrize(
    ("names", "stranger"),
    [(["f1", "f2", "f3"], None), (["f8", "f9", "f10"], None), (["f001_left", "f002_left"], None), (["still"], None), (["2", "3"], None),
     (["f1", "f3", "f5"], None), (["a", "b"], "b"), (["f09", "f10", "f011"], "f011"), (["f1_2", "f2_2"], "f2_2")],
)  # fmt: skip
def test_images_that_blender_does_not_show_are_named(tmp_path, names, stranger):
    """As bpy's movie clips count the same names: by the last number, in as many digits as the first name has."""
    for name in names:
        Image.fromarray(picture(0)).save(tmp_path / f"{name}.png")
    logs = []
    paths = [tmp_path / f"{name}.png" for name in names]
    assert len(seen(open_source(paths, on_log=logs.append))) == len(names)
    assert [log.level for log in logs] == ["warning"] * bool(stranger)
    assert all(log.text.startswith(f"{stranger}.png differs from {names[0]}.png") for log in logs)
    assert stranger is None or not (open_source(paths, (None, 0), logs.append) and logs[1:]), "what is not asked for does not matter"


@pytest.mark.parametrize(("numbers", "frames", "said"), [
    ((1, 2, 4, 5), (None, None), "missing after f0002.png: no time"),
    ((1, 3, 7, 9, 13), (None, None), "missing after f0003.png, and elsewhere"), ((1, 2, 4, 5), (2, None), None),
    ((10, 20, 30), (None, None), None), ((3, 1, 2), (None, None), None), ((5,), (None, None), None),
])  # fmt: skip
def test_images_that_are_missing_are_told(tmp_path, numbers, frames, said):
    paths, logs = [tmp_path / f"f{number:04d}.png" for number in numbers], []
    for path in paths:
        Image.fromarray(picture(0)).save(path)
    open_source(paths, frames, logs.append)
    assert len(logs) == bool(said) and all(said in log.text and log.level == "warning" for log in logs)


@pytest.mark.parametrize("ending", ["webp", "png", "tiff", "jpg"])
def test_an_image_of_several_pictures_is_named(tmp_path, ending):
    """Not a phone's JPEG, whose second picture is of the same moment."""
    pages = [Image.fromarray(picture(STEP * number)) for number in range(3)]
    path, said = tmp_path / f"loop.{ending}", []
    pages[0].save(path, save_all=True, append_images=pages[1:], format="MPO" if ending == "jpg" else None)
    source = open_source([path], on_log=said.append)
    assert source.count == 1 and len(list(source)) == 1
    wanted = [] if ending == "jpg" else ["loop." + ending + " holds 3 pictures, and only the first is used. Convert it to a video."]
    assert [log.text for log in said] == wanted
    Image.fromarray(picture(0)).save(tmp_path / f"one.{ending}")
    open_source([tmp_path / f"one.{ending}"], on_log=said.append)
    assert len(said) == len(wanted)


def test_an_image_that_breaks_off_behind_its_first_picture_gives_that_one(tmp_path):
    path, page = tmp_path / "pages.tiff", Image.fromarray(picture(40))
    page.save(path, save_all=True, append_images=[page])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 40])  # in the list of the second page's entries
    assert len(list(open_source([path]))) == 1


def test_images_of_unlike_size_are_refused(tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / "a.png")
    Image.fromarray(picture(0, 32, 32)).save(tmp_path / "b.png")
    with pytest.raises(SkelError, match=r"b\.png") as error:
        list(open_source([tmp_path / "a.png", tmp_path / "b.png"]))
    assert error.value.code == "image_size"


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_of_sixteen_bits_is_as_bright_as_of_eight(tmp_path, ending):
    Image.fromarray(np.full((48, 64), 40 * 257, np.uint16)).save(tmp_path / f"deep.{ending}")
    assert next(iter(open_source([tmp_path / f"deep.{ending}"])))[1] == pytest.approx(40)


def test_tiffs_of_integers_are_as_bright_as_others_or_refused(tmp_path):
    """With a sign white is 32767; of 32 bits nothing says what is white, unless they are those of 8."""
    path, signed = tmp_path / "grey.tif", 2

    def shown(kind: type, *levels: int) -> list[list[int]]:
        numbers = np.tile(np.array(levels, kind), (6, 1))
        Image.fromarray(numbers.view(np.uint16) if kind is np.int16 else numbers).save(path, tiffinfo={339: signed})
        return next(iter(open_source([path])))[1][:, :, 0].tolist()

    assert shown(np.int16, 0, 127, 128, 5120, 32767, -1, -32768, 9) == [[0, 0, 1, 40, 255, 0, 0, 0]] * 6
    assert shown(np.int16, 0, 127, 128, 100) == [[0, 0, 1, 0]] * 6, "as dark in a dark image"
    assert shown(np.int32, 0, 40, 255, 7) == [[0, 40, 255, 7]] * 6
    for beyond in (256, 65535, -1):
        with pytest.raises(SkelError, match=r"grey\.tif holds whole numbers of 32 bits"):
            shown(np.int32, 0, beyond)


@pytest.mark.parametrize("colours", [1, 3, 4])
def test_tiffs_of_floats_are_as_bright_as_blender_shows_them(tmp_path, colours):
    light = np.tile(np.array([0.0, 0.2, 0.5, 1.0, 7.0, -1.0, np.nan, np.inf], np.float32), (6, 1))
    dark = np.zeros_like(light)
    cv2.imwrite(str(tmp_path / "f.tif"), np.dstack([dark, 0.5 * light, light, dark + 1][:colours]) if colours > 1 else light)
    image = next(iter(open_source([tmp_path / "f.tif"])))[1]
    assert image[..., 0].tolist() == [[0, 51, 128, 255, 255, 0, 0, 255]] * 6
    assert image[0, 1].tolist() == ([51, 51, 51] if colours == 1 else [51, 26, 0])
    (tmp_path / "f.tif").write_bytes((tmp_path / "f.tif").read_bytes()[:4])
    with pytest.raises(SkelError, match="f.tif cannot be read"):
        open_source([tmp_path / "f.tif"])


def test_exif_turns_an_image_and_gives_the_focal_length(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn a quarter clockwise
    exif.get_ifd(0x8769)[0xA405] = 28
    Image.fromarray(picture(40, 480, 360)).save(tmp_path / "phone.jpg", exif=exif)
    source = open_source([tmp_path / "phone.jpg"])
    image = next(iter(source))[1]
    assert source.size == (360, 480) and image.shape == (480, 360, 3)
    assert image[:100, 300:].mean() > 200
    assert source.focal_hints == {0: pytest.approx(28 * 600 / 43.2666, rel=1e-4)}


@pytest.mark.parametrize("stated", [0, (0, 0), (-28, 1), "wide", b"\xff"], ids=str)
def test_nonsense_in_exif_is_no_focal_length(tmp_path, stated):
    rational = pytest.importorskip("PIL.TiffImagePlugin").IFDRational
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = rational(*stated) if isinstance(stated, tuple) else stated
    Image.fromarray(picture(40, 480, 360)).save(tmp_path / "edited.jpg", exif=exif)
    source = open_source([tmp_path / "edited.jpg"])
    assert len(list(source)) == 1 and source.focal_hints == {}


@pytest.mark.parametrize(("seconds", "cuts"), [
    ((0, 10, 25), [1, 2]), ((0, 0, 1), []), ((0, 1, 30, 31, 59), [1, 2, 3, 4]), ((None, 5, 9), [1, 2]), ((None, None, 5), []),
    (("yesterday", 7, 1), [1, 2]),
])  # fmt: skip
def test_photos_of_one_place_are_told_by_when_they_were_taken(tmp_path, seconds, cuts):
    taken(tmp_path, seconds)
    source = open_source([tmp_path])
    assert len(list(source)) == len(seconds) and source.cuts == cuts


def test_images_taken_as_seldom_as_was_said_are_a_film(tmp_path):
    taken(tmp_path, (0, 10, 20))
    source = open_source([tmp_path], fps=0.1)
    assert len(list(source)) == 3 and source.cuts == []


def taken(folder, seconds):
    """Images of one place, and when they say that they were taken."""
    for number, second in enumerate(seconds):
        exif = Image.Exif()
        if second is not None:
            exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 10:00:{second:02d}" if isinstance(second, int) else second
        Image.fromarray(picture(40)).save(folder / f"{number}.jpg", exif=exif)


def test_what_is_beside_the_images_that_are_asked_for_does_not_matter(tmp_path):
    """One is damaged and one has another size, though cuts next to an end are told by such."""
    for number in range(8):
        size = (32, 32) if number == 6 else (64, 48)
        Image.fromarray(picture(STEP * number, *size)).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    assert seen(open_source([tmp_path], (2, 5))) == [(k, k) for k in (2, 3, 4, 5)]
