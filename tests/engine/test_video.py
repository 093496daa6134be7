# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames come out upright, in order, with the numbers by which Blender counts them, and bad input gets one clear sentence."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")
Image = pytest.importorskip("PIL.Image")

from skel_blender.engine.footage.video import open_source  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests.engine.phone import set_matrix, set_rotation, trim  # noqa: E402
from tests.pictures import STEP, picture, seen  # noqa: E402


def write_clip(path: Path, times: list[int], rate: Fraction = Fraction(25), codec: str = "libx264", size=(64, 48),
               oblong: Fraction | None = None, b_frames: int | None = None, colours: int = 2, **options: str) -> Path:  # fmt: skip
    """A clip whose picture k appears at times[k] / rate."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv444p" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.gop_size = 6
        if oblong is not None:
            stream.codec_context.sample_aspect_ratio = oblong
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        stream.codec_context.colorspace = colours
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(STEP * index, *size), format="rgb24")
            frame.pts, frame.time_base = time, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)])
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])  # the last one's clock begins after a second
def test_frame_number_is_the_index_at_constant_rate(tmp_path, rate, ending):
    source = open_source([write_clip(tmp_path / f"clip.{ending}", list(range(30)), rate)])
    assert seen(source) == [(k, k) for k in range(30)]
    assert abs(source.fps - rate) < Fraction(1, 1000)
    assert float(source.frame_numbers[-1] / source.fps) == pytest.approx(29 / rate, abs=1e-3)


def test_a_picture_that_stays_longer_has_several_numbers(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    source = open_source([path])
    assert source.fps == 25
    assert seen(source)[:7] == [(0, 0), (1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (6, 4)]
    assert source.frame_numbers == list(range(14))


def test_a_title_in_another_encoding_does_not_matter(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", list(range(3)))
    raw = path.read_bytes()
    assert raw.count(b"Lavf") > 1  # the muxer's name, which stands where a title would
    path.write_bytes(raw.replace(b"Lavf", "Tür".encode("latin-1") + b"!"))
    assert seen(open_source([path])) == [(0, 0), (1, 1), (2, 2)]


def test_a_clip_that_is_longer_than_its_header_says_is_read_to_its_end(tmp_path):
    """Where pictures change places and the rate varies, the header's time ends with the last one decoded, not with the last one shown."""
    times = [0, 1, 2, 4, 5, 8, 9, 10, 20, 21]
    path = write_clip(tmp_path / "clip.mp4", times)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base * 25 < 20
    source = open_source([path])
    assert source.count == 22
    assert [(number, shown) for number, shown in seen(source) if number in times] == [(time, k) for k, time in enumerate(times)]
    assert source.frame_numbers == list(range(22))
    assert seen(open_source([path], (18, 20))) == [(18, 7), (19, 7), (20, 8)]


def test_a_clock_that_jumps_makes_no_footage(tmp_path):
    path, logs = write_clip(tmp_path / "clip.mkv", [0, 1, 2, 3, 25 * 3600, 25 * 3600 + 1], live="1"), []
    source = open_source([path], on_log=logs.append)
    assert source.count == 4
    assert seen(source) == [(k, k) for k in range(4)]
    assert [(log.level, log.text) for log in logs] == [("warning", "clip.mkv: after 0.2 s its clock jumps to 3600.0 s, and what follows is "
        "left out; make that a clip of its own, for example with `ffmpeg -ss 3600 -i clip.mkv rest.mp4`.")]  # fmt: skip
    slow = open_source([write_clip(tmp_path / "slow.mkv", list(range(20)), Fraction(1, 5), live="1")], on_log=logs.append)
    assert slow.count == 20 and len(logs) == 1, "pictures that stay for five seconds are no jumps"
    paused = open_source([write_clip(tmp_path / "clip.mp4", [0, 1, 2, *range(2000, 2010)])], on_log=logs.append)
    assert paused.count > 2000 and len(logs) == 1, "a header that says how long it is counts"


@pytest.mark.parametrize("ending", ["h264", "flv"])
def test_a_file_that_does_not_say_when_or_how_long_is_read_to_its_end(tmp_path, ending):
    """A bare stream knows no times, as some cameras write it; in others the last picture's length is missing."""
    path = write_clip(tmp_path / f"clip.{ending}", list(range(20)), codec="flv" if ending == "flv" else "libx264")
    source = open_source([path])
    assert (source.fps, source.count) == (25, 20)
    assert seen(source) == [(k, k) for k in range(20)]


def as_browsers_record(path: Path, times: list[int]) -> Path:
    """A clip of pictures at `times` ms and of no rate, of which FFmpeg guesses one picture for each millisecond."""
    raw = write_clip(path, times, Fraction(1000)).read_bytes()
    at = raw.index(b"\x23\xe3\x83\x83")  # Matroska's DefaultDuration and its size, over which nothing is written
    path.write_bytes(raw[:at] + b"\xec\x85" + bytes(5) + raw[at + 7 :])
    with av.open(str(path)) as container:
        assert container.streams.video[0].guessed_rate == 1000
    return path


def test_irregular_times_are_not_a_thousand_frames_a_second(tmp_path):
    """As browsers record: times in milliseconds, no rate, and a pause; FFmpeg then guesses one frame for each millisecond."""
    times = np.cumsum(np.random.default_rng(0).integers(35, 46, 30)) + 500 * (np.arange(30) > 20)
    path = as_browsers_record(tmp_path / "clip.mkv", times.tolist())
    source = open_source([path])
    assert float(source.fps) == pytest.approx(25, rel=0.03)
    assert [shown for _, shown in seen(source)] == sorted(shown for _, shown in seen(source)) and 40 <= source.count <= 44


def test_pictures_of_which_two_have_one_time_tell_a_rate(tmp_path):
    times = np.cumsum(np.random.default_rng(0).integers(35, 46, 15))
    source = open_source([as_browsers_record(tmp_path / "clip.mkv", np.repeat(times, 2).tolist())])
    assert float(source.fps) == pytest.approx(25, rel=0.03) and 14 <= source.count <= 16


def test_the_length_of_a_stream_without_one_in_its_header_is_found(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", list(range(20)), live="1")
    with av.open(str(path)) as container:
        assert not container.duration and not container.streams.video[0].duration
    source = open_source([path])
    assert source.count == 20
    assert seen(source) == [(k, k) for k in range(20)]


def test_range_is_inclusive_and_a_source_can_be_read_twice(tmp_path):
    source = open_source([write_clip(tmp_path / "clip.mp4", list(range(20)))], (3, 6))
    for _ in range(2):
        assert source.count == 4
        assert seen(source) == [(k, k) for k in (3, 4, 5, 6)]
    assert source.count == 4


@pytest.mark.parametrize("frames", [(0, 20), (25, None), (6, 3), (-1, 3)])
def test_range_outside_the_clip_names_the_range(tmp_path, frames):
    path = write_clip(tmp_path / "clip.mp4", list(range(20)))
    with pytest.raises(SkelError, match="0 to 19") as error:
        open_source([path], frames)
    assert error.value.code == "frame_range"


@pytest.mark.parametrize(("degrees", "corner"), [(90, "top right"), (180, "bottom right"), (270, "bottom left")])
def test_rotation_metadata_turns_the_pictures(tmp_path, degrees, corner):
    path = write_clip(tmp_path / "clip.mp4", list(range(5)))
    set_rotation(path, degrees)
    source = open_source([path])
    assert source.size == ((64, 48) if degrees == 180 else (48, 64))
    image = next(iter(source))[1]
    assert image.shape[1::-1] == source.size
    h, w = image.shape[0] // 2, image.shape[1] // 2
    quarters = {"top left": image[:h, :w], "top right": image[:h, w:], "bottom left": image[h:, :w], "bottom right": image[h:, w:]}
    assert max(quarters, key=lambda name: quarters[name].mean()) == corner


@pytest.mark.parametrize("matrix", [(-1, 0, 0, 1), (0, 1, 1, 0)])
def test_footage_that_blender_would_not_mirror_is_refused(tmp_path, matrix):
    path = write_clip(tmp_path / "my selfie.mp4", list(range(5)))
    set_matrix(path, *matrix)
    with pytest.raises(SkelError, match=r'shown mirrored.*ffmpeg -i "my selfie.mp4" shown.mp4'):
        open_source([path])


@pytest.mark.parametrize(("oblong", "size"), [((4, 3), (341, 192)), ((16, 15), (273, 192)), ((1, 2), (256, 384)),
                                                ((200, 199), (256, 192))])  # fmt: skip
def test_pictures_of_oblong_pixels_are_stretched(tmp_path, oblong, size):
    path = write_clip(tmp_path / "clip.mp4", list(range(5)), size=(256, 192), oblong=Fraction(*oblong))
    source = open_source([path])
    assert source.size == size
    for number, image in source:
        assert image.shape[1::-1] == size and abs(float(image[-4:, -4:].mean()) - STEP * number) < 3
        assert image[: size[1] // 2 - 3, : size[0] // 2 - 3].mean() > 240 and image[: size[1] // 2 - 3, size[0] // 2 + 3 :].mean() < 100
    set_rotation(path, 90)
    assert open_source([path]).size == size[::-1]


def test_what_was_trimmed_off_by_an_edit_list_is_not_missed(tmp_path):
    whole, path = write_clip(tmp_path / "whole.mp4", list(range(30))), tmp_path / "clip.mp4"
    trim(whole, path, Fraction(4, 25))
    logs = []
    source = open_source([path], on_log=logs.append)
    assert source.count == 26
    assert seen(source) == [(k, k + 4) for k in range(26)]
    assert not logs


def test_pictures_that_begin_late_are_counted_from_the_start_of_the_stream(tmp_path):
    """AVI knows only when pictures are decoded: with B-frames the first one is shown a frame late, and Blender shows it twice."""
    path = write_clip(tmp_path / "clip.avi", list(range(12)), codec="mpeg4", b_frames=1)
    with av.open(str(path)) as container:
        assert container.streams.video[0].start_time == 0 and next(container.decode(video=0)).pts == 1
    assert seen(open_source([path])) == [(0, 0), *((k, k - 1) for k in range(1, 12))]


def test_odd_sizes_keep_every_pixel(tmp_path):
    source = open_source([write_clip(tmp_path / "clip.mkv", list(range(4)), codec="ffv1", size=(67, 41))])
    assert source.size == (67, 41)
    assert next(iter(source))[1].shape == (41, 67, 3)


def test_a_truncated_clip_gives_what_decodes_and_a_warning(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", list(range(30)), movflags="faststart")
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"mdat") + (len(whole) - whole.index(b"mdat")) * 4 // 5])
    logs = []
    source = open_source([path], on_log=logs.append)
    frames = seen(source)
    assert 0 < len(frames) < 30
    assert frames[:5] == [(k, k) for k in range(5)]
    assert source.count == len(frames)
    assert [log.level for log in logs][-1] == "warning"
    assert f"only {len(frames)} of 30" in logs[-1].text
    with pytest.raises(SkelError, match="Nothing in clip.mp4 can be decoded"):
        list(open_source([path], (28, 29)))


@pytest.mark.parametrize("ending, codec, said", [("mkv", "libx264", r"ends after [0-5]\.\d of its 6\.0 seconds"),
                                                  ("flv", "flv", r"ends after [0-5]\.\d of its 6\.0 seconds"),
                                                  ("avi", "mpeg4", r"only \d+ of 30 frames")])  # fmt: skip
def test_a_clip_whose_pictures_are_all_that_tells_its_length_warns_too_if_it_is_cut_off(tmp_path, ending, codec, said):
    path, logs = write_clip(tmp_path / f"clip.{ending}", list(range(30)), Fraction(5), codec, (640, 480)), []
    assert len(seen(open_source([path], on_log=logs.append))) == 30 and not logs
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert 0 < len(seen(open_source([path], on_log=logs.append))) < 30
    assert [log.level for log in logs] == ["warning"] * len(logs) and re.search(said, " ".join(log.text for log in logs))


@pytest.mark.parametrize("ending", ["mkv", "wmv", "avi", "mp4"])
def test_a_clip_whose_sound_is_longer_does_not_break_off(tmp_path, ending):
    path, logs = tmp_path / f"clip.{ending}", []
    with av.open(str(path), "w") as container:
        pictures, sound = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=8000, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(picture(STEP * index), format="rgb24")
            frame.pts = index
            container.mux(pictures.encode(frame))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux([*sound.encode(frame), *pictures.encode()])
    assert len(seen(open_source([path], on_log=logs.append))) == 3 and not logs


def test_a_clip_cut_off_in_or_before_its_index_is_refused_clearly(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", list(range(30)))
    whole = path.read_bytes()
    index = len(whole) - whole.index(b"moov")
    for cut in range(250, index + 100, 25):
        path.write_bytes(whole[:-cut])
        with pytest.raises(SkelError) as error:
            open_source([path])
        assert error.value.code in ("not_a_video", "no_frames"), cut


@pytest.mark.parametrize("colours", [8, 10, 14], ids=["YCgCo", "BT.2020 of constant luminance", "ICtCp"])
def test_colours_that_ffmpeg_does_not_convert_are_taken_for_usual_ones(tmp_path, colours):
    assert seen(open_source([write_clip(tmp_path / "clip.mp4", [0, 1, 2], colours=colours)])) == [(0, 0), (1, 1), (2, 2)]


def test_bad_input_gets_a_sentence(tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("these are no pictures\n" * 50)
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    cases = [("no_file", tmp_path / "absent.mp4"), ("no_file", tmp_path / (300 * "x")), ("not_a_video", text), ("no_frames", empty),
             ("bad_image", broken)]  # fmt: skip
    with pytest.raises(SkelError, match="Several inputs must all be images"):
        open_source([broken, text])
    for code, path in cases:
        with pytest.raises(SkelError) as error:
            open_source([path])
        assert error.value.code == code
        assert path.name in error.value.what


def test_the_rate_at_which_it_was_filmed_can_be_told(tmp_path):
    """It says how time goes, not which frames there are."""
    said, meant = 119.88, Fraction(120000, 1001)
    for number in (1, 2, 3):
        Image.fromarray(picture(STEP * number)).save(tmp_path / f"shot{number}.png")
    clip = write_clip(tmp_path / "clip.mp4", [0, 1, 2, 5, 6, 7])
    for path, shown in ((tmp_path / "shot1.png", [(0, 1)]), (clip, [(0, 0), (1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (6, 4), (7, 5)])):
        source = open_source([path], fps=said)
        assert source.fps == meant and seen(source) == shown
        assert float(source.frame_numbers[-1] / source.fps) == pytest.approx(shown[-1][0] / meant)


def test_the_last_picture_stays_as_long_as_the_clip(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        for index, time in enumerate([0, 1, 2, 3]):
            frame = av.VideoFrame.from_ndarray(picture(STEP * index), format="rgb24")
            frame.pts = time
            for packet in stream.encode(frame):
                packet.duration = 3 if index == 3 else 1
                container.mux(packet)
    assert seen(open_source([path])) == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (5, 3)]
    assert seen(open_source([path], (5, 5))) == [(5, 3)]


def test_a_container_whose_tick_is_a_frame_keeps_every_number(tmp_path):
    """AVI counts time in frames: picture k is number k, none is dropped or shifted."""
    path = tmp_path / "ticks.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for k in range(12):
            picture = np.full((48, 64, 3), 20 * k, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    seen = [(number, round(float(picture.mean()) / 20)) for number, picture in open_source([path])]
    assert seen == [(k, k) for k in range(12)]
