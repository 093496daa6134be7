# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody whom nobody has found: an animator points at him in one frame, and he is followed from there, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import numpy as np

from ...messages import SkelError
from ...who import Correction, name
from ..footage.video import Source
from .crops import painted
from .detect import NEW, PeopleFinder
from .following import Known, Neighbour, follow
from .landmarker import Pose
from .looking import looking
from .poses import quality, same_body
from .tracks import Track, fewest, track_of


def find_pointed(
    source: Source, model_path: Path, memory: Path | None, on_progress: Callable[[int, int], None],
    one: Correction, known: Mapping[int, Track],
) -> tuple[Track, int | None]:  # fmt: skip
    """The track of who is at `one.place` px of frame `one.frame`, and the number of whom he turns out to be; None: somebody new.

    source: footage that was read before; known: tracks of the people of that shot, by number; on_progress(frames done, frames in all).
    Raises SkelError where nobody, or nobody new, can be made out there.
    """
    numbers, starts = source.frame_numbers, [source.first, *source.cuts]
    if one.frame not in numbers:
        raise SkelError("usage", f"Frame {one.frame} is not in the part that is reconstructed (who is who, {one}).",
                        f"Give one of frames {numbers[0]} to {numbers[-1]}.")  # fmt: skip
    if not (np.array(one.place) < source.size).all():
        raise SkelError("usage", f"The image ends before {_place(one)} px (who is who, {one}).",
                        f"Give a place in its {source.size[0]} x {source.size[1]} px.")  # fmt: skip
    first = max(start for start in starts if start <= one.frame)
    last = min([start - 1 for start in starts if start > one.frame] + [numbers[-1]])
    frames, done = last - first + 1, count(2)
    with looking(source, model_path, memory) as (finder, mirror, _):
        _, image = next(source.frames(one.frame, one.frame))
        others = [Known(number, track) for number, track in known.items()]
        seen = one.frame, image, _pointed_at(finder, image, one, others)
        person, goes_on_as = follow(source, finder, mirror, seen, others, (first, last), lambda: on_progress(next(done), frames))
        track = track_of(person, float(source.fps), source.size)
    on_progress(frames, frames)
    if goes_on_as is None and np.count_nonzero(track.observed) < fewest(float(source.fps), frames):
        raise SkelError("no_person", f"The person at {_place(one)} in frame {one.frame} can't be tracked (who is who, {one}).",
                        "Point at them in a frame around which they are seen whole.")  # fmt: skip
    return track, goes_on_as


def _place(one: Correction) -> str:
    return "{}:{}".format(*one.place)


def _pointed_at(finder: PeopleFinder, image: np.ndarray, one: Correction, known: list[Known]) -> Pose:
    """Who is meant: whoever is known, but not at that place, is painted over. Raises SkelError if it is nobody, or one who is known."""
    place = np.array(one.place, float)
    hidden = np.zeros(image.shape[:2], bool)
    there = [Neighbour(who, pose, image) for who in known if (pose := who.pose(one.frame)) is not None]
    for other in there:
        if not other.body.silhouette[one.place[1], one.place[0]]:
            hidden |= other.body.silhouette
    found = [(pose, _whose(pose, there)) for pose in finder.at(painted(image, hidden), place)]
    free = [pose for pose, whose in found if whose is None]
    if free and (found[0][1] is None or quality(free[0]) > NEW):
        return free[0]
    if found:
        raise SkelError("usage", f"The person at {_place(one)} in frame {one.frame} is {name(found[0][1])}, who was already found "
                                 f"(who is who, {one}).",
                        "Point at somebody who has no rig there.")  # fmt: skip
    raise SkelError("no_person", f"Nobody can be made out at {_place(one)} in frame {one.frame} (who is who, {one}).",
                    "Point at somebody's hips, in a frame that shows them whole.")  # fmt: skip


def _whose(pose: Pose, there: list[Neighbour]) -> int | None:
    """The number of the known person whose body a pose shows; None for nobody's."""
    return next((other.who.number for other in there if same_body(pose.keypoints_2d, other.pose.keypoints_2d)), None)
