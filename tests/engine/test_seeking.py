# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a clip that is read for itself is that part of the whole clip, to the last bit, and little else is decoded for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")
cv2 = pytest.importorskip("cv2")

from skel_blender.engine.footage import video  # noqa: E402
from skel_blender.engine.footage.video import open_source  # noqa: E402
from skel_blender.engine.people.following import _backward  # noqa: E402
from tests.engine.phone import set_rotation, trim  # noqa: E402

COUNT = 72
GOP = 12
STEADY = list(range(COUNT))
VARIABLE = np.cumsum(np.random.default_rng(3).choice([1, 1, 1, 2, 5], COUNT)).tolist()  # pictures that stay longer


def moving(number: int) -> np.ndarray:
    """A picture (120,160,3) of something that moves over noise, so that most of it is told from other pictures."""
    rough = np.random.default_rng(0).integers(0, 255, (20, 60, 3)).astype(np.uint8)
    image = np.ascontiguousarray(cv2.resize(rough, (480, 120), interpolation=cv2.INTER_CUBIC)[:, 2 * number : 2 * number + 160])
    cv2.circle(image, (20 + number, 60), 15, (10, 3 * number, 200), -1)
    return image


def written(path: Path, codec: str = "libx264", times: list[int] = STEADY, rate: int = 25, **options: str) -> Path:
    """A clip whose picture k appears at times[k] / rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = 160, 120
        stream.pix_fmt = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        stream.codec_context.time_base = Fraction(1, rate)
        stream.codec_context.gop_size = GOP
        stream.options = options
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(moving(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


CASES = [
    pytest.param("a.mp4", {}, id="B-frames"),
    pytest.param("a.mkv", {"options": {"bf": "3"}}, id="more of them in Matroska"),
    pytest.param("a.mov", {"times": VARIABLE}, id="variable frame rate"),
    pytest.param("a.mkv", {"times": [40 * time + time % 7 for time in VARIABLE], "rate": 1000}, id="irregular times"),
    pytest.param("a.mp4", {"options": {"x264-params": "open-gop=1:bframes=3:scenecut=0"}}, id="open groups of pictures"),
    pytest.param("a.mp4", {"codec": "libx265", "options": {"x265-params": "open-gop=1:keyint=12:log-level=none"}}, id="HEVC, open groups"),
    pytest.param("a.webm", {"codec": "libvpx-vp9"}, id="VP9"),
    pytest.param("a.mp4", {"codec": "libsvtav1", "options": {"preset": "10", "svtav1-params": "keyint=12"}}, id="AV1"),
    pytest.param("a.mov", {"codec": "prores_ks"}, id="ProRes"),
]  # fmt: skip


@pytest.fixture
def decoded(monkeypatch):
    """Counts the pictures that are decoded."""
    counted, frames = [0], video._frames

    def counting(container):
        for frame in frames(container):
            counted[0] += 1
            yield frame

    monkeypatch.setattr(video, "_frames", counting)
    return counted


def compare(path: Path, decoded: list[int]) -> int:
    """Every part of eight frames is what it is in the whole clip. Returns how many pictures were decoded for all of these parts."""
    source = open_source([path])
    whole = dict(source)
    assert list(whole) == list(range(source.count)) and source.count >= COUNT
    decoded[0] = 0
    for first in range(0, source.count, 3):
        part = list(source.frames(first, first + 7))
        assert [number for number, _ in part] == list(range(first, min(first + 8, source.count)))
        assert all(np.array_equal(image, whole[number]) for number, image in part), first
    return decoded[0]


@pytest.mark.parametrize(("name", "made"), CASES)
def test_a_part_is_what_it_is_in_the_whole_clip(tmp_path, decoded, name, made):
    options = made.get("options", {})
    path = written(tmp_path / name, **{key: value for key, value in made.items() if key != "options"}, **options)
    parts = len(range(0, open_source([path]).count, 3))
    assert compare(path, decoded) < parts * 2.5 * GOP, "about a group of pictures and what was asked for"


@pytest.mark.parametrize(("name", "made"), [
    ("a.ts", {}), ("a.avi", {"codec": "mpeg4"}),
    ("a.mkv", {"x264-params": "intra-refresh=1"}),
], ids=["a broadcast", "AVI", "pictures that are renewed by and by"])  # fmt: skip
def test_clips_that_can_only_be_read_from_the_start_are(tmp_path, decoded, name, made):
    compare(written(tmp_path / name, **made), decoded)


def test_a_part_of_a_clip_that_was_trimmed_and_turned(tmp_path, decoded):
    """By an edit list, which leaves pictures in the file that are not shown, and by a phone that was held upright."""
    whole, path = written(tmp_path / "whole.mp4"), tmp_path / "clip.mp4"
    trim(whole, path, Fraction(5, 25))
    set_rotation(path, 90)
    source = open_source([path])
    shown = dict(source)
    assert source.count == COUNT - 5 and source.size == (120, 160)
    for first in range(0, source.count, 5):
        assert all(np.array_equal(image, shown[number]) for number, image in source.frames(first, first + 4))


def test_who_is_followed_backward_costs_not_the_clip_from_its_start_for_each_few_frames(tmp_path, decoded):
    source = open_source([written(tmp_path / "a.mp4")])
    shown = dict(source)
    decoded[0] = 0
    back = list(_backward(source, COUNT, 0, 4))
    assert [number for number, _ in back] == list(reversed(range(COUNT)))
    assert all(np.array_equal(image, shown[number]) for number, image in back) and decoded[0] < COUNT / 4 * 1.5 * GOP
