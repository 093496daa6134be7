# SPDX-License-Identifier: GPL-3.0-or-later
"""Thinned keys between two frames of an action: what is keyed outside of them stays as it is, and what is seen there.

A curve whose keys lie far apart may come over the first of the frames in the middle of a stretch. That stretch stays too: only from the
first key within to the last one there are new keys, so that neither of a stretch's handles is ever touched from one side alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import bpy
import numpy as np

from .. import bezier, keyframes, tracks


def ends(holder: bpy.types.Action | bpy.types.ActionChannelbag, table: Sequence[tracks.Track], frames: np.ndarray) -> np.ndarray:
    """(49,2) first and last row of the scene frames (T,) between which each source of `tracks.sources` may get new keys: on both all of
    its curves have a key. The same row twice where there is nothing to be done, as for a curve that noise or the like makes."""
    result = np.zeros((1 + max(track.source for track in table), 2), dtype=int)
    for source in range(len(result)):
        curves = [holder.fcurves.find(track.path, index=track.index) for track in table if track.source == source]
        keyed = reduce(np.intersect1d, [[] if curve is None else keyframes.rows_of(curve, frames) for curve in curves])
        if len(keyed):
            result[source] = keyed[[0, -1]]
    return result


def kept(found: np.ndarray, count: int) -> np.ndarray:
    """(49,T) bool: on which of so many frames each source keeps the value that it has, by `ends` (49,2)."""
    rows = np.arange(count)
    return (rows <= found[:, :1]) | (rows >= found[:, 1:])


def write(
    holder: bpy.types.Action | bpy.types.ActionChannelbag, table: Sequence[tracks.Track], frames: np.ndarray, found: np.ndarray,
    spline: bezier.Spline,
) -> float:  # fmt: skip
    """Put the keys of a spline of the scene frames (T,) between the `ends` (49,2). Returns how many keys there are on these frames then,
    over those of keys on every one."""
    count = 0
    for track, curve in zip(table, keyframes.thinned(table, int(frames[0]), spline)):
        first, last = frames[found[track.source]]
        if last > first:
            keyframes.replace(holder, keyframes.cut(curve, first, last))
        made = holder.fcurves.find(track.path, index=track.index)
        count += 0 if made is None else len(keyframes.rows_of(made, frames))
    return count / (len(table) * len(frames))
