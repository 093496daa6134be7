# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of a video, an image, several images or a folder, streamed one at a time with exact numbers.

Frame numbers. Blender plays a movie clip at one constant rate (FFmpeg's guess for the stream) and shows as frame N the
picture that is on screen at time N / rate after the stream's start. This module counts the same way, from 0: in a clip of
constant rate the number is the index of the decoded picture; in one of variable rate a picture that stays longer gets
several numbers and one that is gone before the next tick gets none. Images count by their position.

Pictures are as they are shown: turned by the file's rotation, and with square pixels where the file's are oblong.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, dropwhile
from pathlib import Path

import av
import numpy as np

from ...messages import Log, SkelError
from ...requests import rate
from ...sequence import IMAGE_ENDINGS, images_of
from .images import IMAGE_FPS, ImageSource
from .source import Range, Source, typed

_WANTED = "Give a video file, images or a folder of images."
_SQUARE = 0.01  # pixels that are by less than this wider or higher are square: what an encoder made of odd sizes
_UNSPECIFIED = 2  # FFmpeg's number for colours of which nothing is said
_FAST = 120  # frames a second that are doubted
_TOLD = ("matroska,webm", "flv", "asf")  # kinds of files whose header says how long all of it is
_INDEXED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # kinds of files in which a picture is found by its time
_RESET = ("h264", "hevc", "vp8", "vp9", "av1", "prores", "mjpeg")  # codecs whose key pictures need nothing of what was before
_MISSING_S = 0.5  # at the end of such a file, from which on it is told
_LONGEST_S = 60  # that a picture stays; a longer time between two is a clock that jumped, as where broadcasts were joined

Times = tuple[int | None, int, bool]  # when a picture begins and how long it stays, in ticks, None and 0 if not told; is it a key picture


class VideoSource(Source):
    """A video file, decoded by FFmpeg through PyAV."""

    def __init__(self, path: Path, frames: Range, on_log: Callable[[Log], None], fps: float | None = None) -> None:
        times = _times(path, on_log)
        with _opened(path) as container:
            stream = container.streams.video[0]
            self._rate = _rate(stream, times)
            self.fps = self._rate if fps is None else rate(fps)
            self.size = _first_size(container, path)
            tick = self._tick = stream.time_base * self._rate
            self._start = stream.start_time
            codec = stream.codec_context.codec.canonical_name
            known = self._start is not None and container.format.name in _INDEXED and codec in _RESET
            self._entries = _entries(times) if known else []
            # where pictures change places and the rate varies, headers are short
            stated = 0 if container.format.name in _TOLD else stream.duration or 0
            if container.format.name == "avi":
                stated = stream.frames  # which stays what it was in a file that is cut off
            length, more = _length(times, 1 / tick, _LONGEST_S / stream.time_base)
            count = max(round(max(stated, length) * tick), 1)
            if more is not None and more > stated:
                ends, goes_on = (float(time * stream.time_base) for time in (length, more))
                mend = f"make that a clip of its own, for example with `ffmpeg -ss {int(goes_on)} -i {typed(path.name)} rest.mp4`"
                on_log(Log("warning", f"{path.name}: after {ends:.1f} s its clock jumps to {goes_on:.1f} s, and what follows is left out; "
                                      f"{mend}."))  # fmt: skip
        super().__init__(path, count, frames, on_log)

    def _pictures(self, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
        """The picture of every number from first to last: the last one whose time is not after number / rate."""
        number, held, end = 0, None, Fraction(0)
        with self._decoded(first) as frames:
            for begin, length, frame in self._timed(frames):
                while held is not None and number < min(begin, last + 1):
                    if number >= first:
                        yield number, self._upright(held)
                    number += 1
                if number > last:
                    return
                held, end = frame, begin + length
        if held is not None:
            for later in range(max(number, first), min(max(number + 1, round(end)), last + 1)):
                yield later, self._upright(held)

    @contextmanager
    def _decoded(self, first: int) -> Iterator[Iterator[av.VideoFrame]]:
        """Pictures in order, from an entry that is shown when frame `first` begins or before it; else from the clip's start."""
        at = bisect_right(self._entries, first, key=self._begin) - 1
        if at >= 0:
            with _opened(self.path) as container:
                frames = _frames_from(container, self._entries[at])
                if frames is not None:
                    yield frames
                    return
        with _opened(self.path) as container:
            yield _frames(container)

    def _timed(self, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[Fraction, Fraction, av.VideoFrame]]:
        """Pictures in order, with the time at which each begins, from the first one's on, and how long it stays, both in frames."""
        for index, frame in enumerate(frames):
            if frame.pts is None:
                yield Fraction(index), Fraction(1), frame
                continue
            self._start = frame.pts if self._start is None else self._start
            yield self._begin(frame.pts), (frame.duration or 0) * self._tick, frame

    def _begin(self, pts: int) -> Fraction:
        """When a picture begins, in frames, counted from the first one's start."""
        # containers round times to their tick: one tick early is on time, unless a tick is as long as a picture
        return max((pts - self._start) * self._tick - min(self._tick, Fraction(1, 4)), Fraction(0))

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        """RGB (H,W,3) as it is shown, in the first frame's size."""
        turns = round(frame.rotation / 90) % 4
        w, h = self.size if turns % 2 == 0 else self.size[::-1]
        return np.ascontiguousarray(np.rot90(_rgb(frame, w, h), turns))


def open_source(
    inputs: list[Path], frames: Range = (None, None), on_log: Callable[[Log], None] = lambda log: None, fps: float | None = None
) -> Source:
    """Footage from a video, an image, several images or a folder of images (natural sort).

    frames: first and last frame number, both included, None for the clip's own. fps: how many frames a second were filmed, None for the
    clip's own rate, by which its frames are counted all the same. Raises SkelError: missing file, not footage, nothing decodes, range
    outside the clip. A clip that breaks off gives what decodes and a warning to `on_log`.
    """
    paths = [Path(p) for p in inputs]
    for path in paths:
        if not os.path.exists(path):  # unlike Path's it is False also of what is no path and of what may not be seen
            raise SkelError("no_file", f"There is no file {path}.", "Check the path.")
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        try:
            paths = images_of(folder)
        except OSError as error:
            raise SkelError("no_frames", f"The folder {folder} cannot be read ({error.strerror}).", "Check its permissions.") from error
        if not paths:
            raise SkelError("no_frames", f"The folder {folder} has no images.", "Give a folder of PNG, JPEG, TIFF, EXR or DPX frames.")
    if all(p.suffix.lower() in IMAGE_ENDINGS for p in paths):
        return ImageSource(paths, frames, on_log, fps)
    if len(paths) > 1:
        raise SkelError("many_inputs", "Several inputs must all be images.", "Give one video, or images only.")
    return VideoSource(paths[0], frames, on_log, fps)


def _opened(path: Path):
    try:
        container = av.open(str(path), metadata_errors="replace")  # titles and the like come in any encoding
    except (av.FFmpegError, OSError) as error:
        raise SkelError("not_a_video", f"{path.name} cannot be read as a video.", _WANTED) from error
    if not container.streams.video or container.streams.video[0].codec_context is None:  # None: nothing here decodes it
        container.close()
        raise SkelError("not_a_video", f"{path.name} has no pictures that can be read.", _WANTED)
    return container


def _rgb(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """The picture as RGB (height,width,3); of colours that FFmpeg does not convert, such as ICtCp, it takes the numbers for usual ones."""
    try:
        return frame.to_ndarray(format="rgb24", width=width, height=height)
    except av.FFmpegError:
        frame.colorspace = _UNSPECIFIED
        return frame.to_ndarray(format="rgb24", width=width, height=height)


def _frames(container) -> Iterator[av.VideoFrame]:
    """Every picture that decodes, in the order shown; a damaged one is left out, and a file that breaks off ends there."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    for packet in _packets(container, stream):
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError:
            continue
        yield from frames


def _frames_from(container, entry: int) -> Iterator[av.VideoFrame] | None:
    """The pictures from the one on that begins at `entry`, in ticks; None if it is not found, or does not decode by itself."""
    try:
        container.seek(entry, stream=container.streams.video[0])
    except av.FFmpegError:
        return None
    # pictures that are shown before it may be made from others that are not there now
    frames = dropwhile(lambda frame: frame.pts is None or frame.pts < entry, _frames(container))
    head = next(frames, None)
    return None if head is None or head.pts != entry else chain([head], frames)


def _packets(container, *streams) -> Iterator[av.Packet | None]:
    """The packets of the streams, or of all, then None, which drains the decoder."""
    try:
        for packet in container.demux(*streams):
            if packet.size:
                yield packet
    except av.FFmpegError:
        pass  # the file breaks off here; Source reports how many frames are missing
    yield None


def _times(path: Path, on_log: Callable[[Log], None]) -> list[Times]:
    """Of each picture by all packets of a file, in their order."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        told = (container.duration or 0) / av.time_base if container.format.name in _TOLD else 0.0
        times, end = [], 0.0
        for packet in filter(None, _packets(container, *() if told else (stream,))):  # sound may be longer than the pictures
            end = max(end, float(((packet.pts or 0) + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index == stream.index and not packet.is_discard:  # what was trimmed is still there
                times.append((packet.pts, packet.duration or 0, packet.is_keyframe))
    if told - end > _MISSING_S:
        on_log(Log("warning", f"{path.name} ends after {end:.1f} of its {told:.1f} seconds; the rest is left out."))
    return times


def _entries(times: list[Times]) -> list[int]:
    """When those pictures begin, in ticks, with which decoding may begin and behind which, in the file, nothing is shown before what is
    ahead of them; none where a picture's time is not known."""
    if any(start is None for start, _, _ in times):
        return []
    starts = np.array([start for start, _, _ in times], np.int64)
    ahead, behind = np.maximum.accumulate(starts)[:-1], np.minimum.accumulate(starts[::-1])[-2::-1]
    return starts[1:][np.array([key for _, _, key in times[1:]], bool) & (ahead < behind)].tolist()


def _length(times: list[Times], one: Fraction, longest: Fraction) -> tuple[Fraction, int | None]:
    """From the first picture's start to the last one's end, or to where the clock jumps by more than `longest`, and then the start of the
    next one as well, else None; in ticks.

    A picture of which nothing is said stays for `one`: so do all of a bare stream, which knows no times.
    """
    spans = sorted((start, start + (stays or one)) for start, stays, _ in times if start is not None)
    if not spans:
        return len(times) * one, None
    begin, end = spans[0]
    for start, stop in spans:
        if start - end > longest:
            return end - begin, start - begin
        end = max(end, stop)
    return end - begin, None


def _first_size(container, path: Path) -> tuple[int, int]:
    """(w, h) of the first picture that decodes, as it is shown. Raises SkelError for what Blender would show otherwise."""
    frame = next(_frames(container), None)
    if frame is None:
        raise SkelError("no_frames", f"Nothing in {path.name} can be decoded.", "Give a clip that plays in a video player.")
    if _mirrored(frame):
        raise SkelError("mirrored", f"{path.name} is tagged to be shown mirrored, which Blender does not support.",
                        f"Convert it, for example with `ffmpeg -i {typed(path.name)} shown.mp4`, and use that.")  # fmt: skip
    oblong = float(container.streams.video[0].sample_aspect_ratio or 1)  # a pixel's width over its height
    oblong = oblong if abs(oblong - 1) > _SQUARE else 1.0
    size = (round(frame.width * max(oblong, 1.0)), round(frame.height / min(oblong, 1.0)))
    return size if round(frame.rotation / 90) % 2 == 0 else size[::-1]


def _mirrored(frame: av.VideoFrame) -> bool:
    """Whether the display matrix turns the picture over."""
    matrix = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    return a * d - b * c < 0


def _rate(stream, times: list[Times]) -> Fraction:
    """The rate at which Blender counts the clip; the pictures' own where irregular times make FFmpeg guess an absurd one, as browsers'."""
    guess = Fraction(stream.guessed_rate or stream.average_rate or IMAGE_FPS)
    steps = np.diff(np.unique([start for start, *_ in times if start is not None]))  # some files have two pictures at one time
    if guess <= _FAST or not len(steps):
        return guess
    usual = steps[steps <= 2 * np.median(steps)].mean()  # of pauses and jumps of the clock nothing
    own = Fraction(1 / (usual * float(stream.time_base))).limit_denominator(1001)
    return own if guess > 2 * own else guess
