# SPDX-License-Identifier: GPL-3.0-or-later
"""Film's images as footage: linear light as it is shown on a screen, what Blender shows of an OpenEXR file, and broken ones refused."""

import struct
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av")

from skel_blender.engine.footage.video import open_source  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests.pictures import picture  # noqa: E402

LIGHT = np.array([0.0, 0.002, 0.214, 1.0, 7.0, -1.0, np.nan, np.inf], np.float32)
SHOWN = [0, 7, 127, 255, 255, 0, 0, 255]  # by sRGB's curve


def exr(channels, size=(8, 2), data=None, display=None):
    """An OpenEXR file, not compressed, of channels (h,w) float32 by name."""
    width, height = size
    whole = (0, 0, width - 1, height - 1)
    names = sorted(channels)
    entries = {
        "channels": ("chlist", b"".join(name.encode() + b"\0" + struct.pack("<4i", 2, 0, 1, 1) for name in names) + b"\0"),
        "compression": ("compression", b"\0"), "dataWindow": ("box2i", struct.pack("<4i", *(data or whole))),
        "displayWindow": ("box2i", struct.pack("<4i", *(display or whole))), "lineOrder": ("lineOrder", b"\0"),
        "pixelAspectRatio": ("float", struct.pack("<f", 1)), "screenWindowCenter": ("v2f", struct.pack("<2f", 0, 0)),
        "screenWindowWidth": ("float", struct.pack("<f", 1)),
    }  # fmt: skip
    header = struct.pack("<2i", 20000630, 2)
    for name, (kind, value) in entries.items():
        header += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    rows = [b"".join(channels[name][row].astype("<f4").tobytes() for name in names) for row in range(height)]
    top, begin = (data or whole)[1], len(header) + 1 + 8 * height
    table = struct.pack(f"<{height}Q", *(begin + row * (8 + len(rows[0])) for row in range(height)))
    return header + b"\0" + table + b"".join(struct.pack("<2i", top + row, len(line)) + line for row, line in enumerate(rows))


def shown(path):
    source = open_source([path])
    (_, image), = source  # fmt: skip
    assert source.size == image.shape[1::-1]
    return image.tolist()


def test_linear_light_is_shown_as_on_a_screen(tmp_path):
    file = tmp_path / "f.exr"
    file.write_bytes(exr({name: np.tile(LIGHT if name == "G" else np.zeros(8), (2, 1)) for name in "RGB"}))
    image = np.array(shown(file))
    assert image[..., 1].tolist() == [SHOWN, SHOWN]
    assert image[..., [0, 2]].max() == 0


@pytest.mark.parametrize("names", ["RGB", "Y", "RGBAZ", ["ViewLayer.AO", "ViewLayer.Combined", "ViewLayer.Depth"], ["beauty", "z"]])
def test_the_picture_among_layers_is_taken(tmp_path, names):
    """As Blender takes it, of its own renders too."""
    light, dark = np.full((2, 8), 0.214, np.float32), np.zeros((2, 8), np.float32)
    if isinstance(names, str):
        channels = {name: light for name in names} | {"matte." + name: dark for name in "RGB"}
    else:
        channels = {f"{name}.{c}": light if name in ("ViewLayer.Combined", "beauty") else dark for name in names for c in "RGB"}
    (tmp_path / "f.exr").write_bytes(exr(channels))
    assert shown(tmp_path / "f.exr") == np.full((2, 8, 3), 127).tolist()


@pytest.mark.parametrize("display", [(2, 0, 5, 1), (-8, -4, 30, 20), (100, 100, 107, 101)])
def test_what_a_file_has_of_the_picture_is_all_shown(tmp_path, display):
    """As Blender shows it behind the rig, which knows no display window."""
    light = np.tile(LIGHT[:4].repeat(2), (2, 1))
    (tmp_path / "f.exr").write_bytes(exr({name: light for name in "RGB"}, display=display))
    assert np.array(shown(tmp_path / "f.exr"))[..., 0].tolist() == [[0, 0, 7, 7, 127, 127, 255, 255]] * 2


@pytest.mark.parametrize("pixels", ["gbrp10be", "gbrp12be", "rgb24"])
def test_dpx_is_read_as_it_is(tmp_path, pixels):
    encoder = av.CodecContext.create("dpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, pixels, Fraction(1, 24)
    frame = av.VideoFrame.from_ndarray(picture(40), format="rgb24").reformat(format=pixels)
    (tmp_path / "f_0001.dpx").write_bytes(bytes(encoder.encode(frame)[0]))
    assert np.abs(np.array(shown(tmp_path)) - picture(40).astype(int)).max() <= 1


@pytest.mark.parametrize("kept", [0, 4, 9, 60, 200, -70, -1])
def test_files_that_are_cut_off_are_refused(tmp_path, kept):
    """FFmpeg would take the lines that are missing for black."""
    whole = exr({name: np.ones((2, 8), np.float32) for name in "RGB"})
    (tmp_path / "f.exr").write_bytes(whole[:kept])
    with pytest.raises(SkelError, match=r"The image f\.exr cannot be read"):
        open_source([tmp_path / "f.exr"])


@pytest.mark.parametrize("ending", ["exr", "hdr", "dpx"])
def test_what_is_no_such_image_or_larger_than_any_is_refused(tmp_path, ending):
    (tmp_path / f"a.{ending}").write_bytes(b"\x89PNG no plate at all" * 200)
    huge = exr({name: np.ones((2, 8), np.float32) for name in "RGB"}, data=(0, 0, 1 << 20, 1 << 20))
    (tmp_path / f"b.{ending}").write_bytes(huge)
    for name in "ab":
        with pytest.raises(SkelError, match="cannot be read"):
            open_source([tmp_path / f"{name}.{ending}"])
