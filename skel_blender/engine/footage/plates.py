# SPDX-License-Identifier: GPL-3.0-or-later
"""Film's images, of which Pillow knows nothing: OpenEXR, Radiance and DPX, decoded by FFmpeg."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

import av
import numpy as np

PLATES = {".exr": "exr", ".hdr": "hdr", ".dpx": "dpx"}  # endings, and FFmpeg's names of what decodes them
_MOST_PX, _MOST_BYTES = 1 << 26, 1 << 30  # of an image, and of its file: as light of four bytes a channel it is as large
_PARTS = 0x10  # of the header, set where a file has several
_ROWS = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)  # in a chunk of an OpenEXR file, by its compression
_LONGEST = 1 << 16  # bytes of a list of channels: a file may say anything
_RENDERED = "Combined"  # what Blender calls the picture among a render's layers
_STEPS = (1 << 16) - 1  # of light from black to white, for which the curve is worked out


def plate(path: Path) -> np.ndarray:
    """RGB uint8 (H,W,3) of an image file. Linear light is shown by sRGB's curve, what is brighter than white as white; DPX as it is.

    Raises OSError, or ValueError for what is broken, or larger than _MOST_PX.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("too large")
    try:
        frame = _decoded(path.read_bytes(), PLATES[path.suffix.lower()])
        if path.suffix.lower() == ".dpx":
            return frame.to_ndarray(format="rgb24")
        grey = len(frame.format.components) == 1  # which FFmpeg makes darker where it makes colours of it
        light = frame.reformat(format="grayf32le" if grey else "gbrpf32le").to_ndarray()
    except (av.FFmpegError, LookupError, struct.error) as error:
        raise ValueError("broken") from error
    light = np.clip(np.nan_to_num(light, copy=False), 0.0, 1.0, out=light)
    picture = _curve()[np.rint(light * np.float32(_STEPS)).astype(np.uint16)]
    return np.dstack([picture] * 3) if grey else picture


def _decoded(data: bytes, kind: str) -> av.VideoFrame:
    options = {"max_pixels": str(_MOST_PX)}
    if kind == "exr":
        data, options["layer"] = _as_in_blender(data)
    decoder = av.CodecContext.create(kind, "r")
    decoder.options = options
    return decoder.decode(av.Packet(data))[0]


@cache
def _curve() -> np.ndarray:
    """(STEPS+1,) uint8 of light from 0 to 1 on a screen (IEC 61966-2-1)."""
    light = np.arange(_STEPS + 1) / _STEPS
    return np.rint(255 * np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)).astype(np.uint8)


def _as_in_blender(data: bytes) -> tuple[bytes, str]:
    """An OpenEXR file that shows all that it has of the picture, be its display window smaller or larger, and the layer to be decoded."""
    header, end = _header(data)
    at, window = header[b"displayWindow"]
    _, own = header[b"dataWindow"]
    if b"tiles" not in header and not data[5] & _PARTS:
        _, top, _, bottom = struct.unpack("<4i", own)
        count = -(-(bottom - top + 1) // _ROWS[header[b"compression"][1][0]])
        last = max(struct.unpack_from(f"<{count}Q", data, end))
        _, length = struct.unpack("<ii", data[last : last + 8])
        if last + 8 + length > len(data):
            raise ValueError("cut off")  # which FFmpeg takes for black
    return data[:at] + own + data[at + len(window) :], _layer(header[b"channels"][1])


def _header(data: bytes) -> tuple[dict[bytes, tuple[int, bytes]], int]:
    """The attributes of the first part of an OpenEXR file, where each one's value begins and the value, and where all end."""
    found, at = {}, 8
    while data[at]:
        name, kind, _ = data[at : at + 1024].split(b"\0", 2)
        at += len(name) + len(kind) + 6
        size = int.from_bytes(data[at - 4 : at], "little")
        found[name] = at, data[at : at + size]
        at += size
    return found, at + 1


def _layer(channels: bytes) -> str:
    """The layer with the picture, given the list of channels: none, where they are not in layers; else a render's, else the first."""
    names, channels = [], channels[:_LONGEST]
    while channels.strip(b"\0"):
        name, channels = channels.split(b"\0", 1)
        names.append(name.decode("utf-8", "replace"))
        channels = channels[16:]
    layers = [name[:-2] for name in names if name.endswith(".R")]
    if not layers or not {"R", "Y"}.isdisjoint(names):
        return ""
    return next((layer for layer in layers if layer.endswith(_RENDERED)), layers[0])
