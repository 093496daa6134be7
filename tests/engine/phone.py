# SPDX-License-Identifier: GPL-3.0-or-later
"""What phones write into the files of their videos: how these are turned, and what was trimmed off."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av


def set_rotation(path: Path, clockwise: int) -> None:
    """Write the display matrix of an mp4's track header, as phones do that hold their sensor sideways."""
    c, s = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    set_matrix(path, c, s, -s, c)


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def trim(whole: Path, path: Path, seconds: Fraction) -> None:
    """Write an mp4 without its first seconds, by an edit list: pictures from the keyframe before stay in the file, and are not shown."""
    with av.open(str(whole)) as given, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        shift = round(seconds / given.streams.video[0].time_base)
        for packet in given.demux(video=0):
            if packet.size:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                container.mux(packet)
