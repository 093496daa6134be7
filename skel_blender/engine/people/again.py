# SPDX-License-Identifier: GPL-3.0-or-later
"""A second pass over a shot: whoever was seen clearly, but is in no track, is followed from the frame in which he was seen best.

Such are people who came into sight in a crowd, and whose readings were taken for others'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..footage.video import Source
from .detect import CLEAR, PeopleFinder
from .following import Known, follow
from .landmarker import Pose
from .mirror import Mirror
from .person import Person
from .poses import extent, quality, same_body
from .tracks import Track, joined, worth_keeping

_AS_LARGE = 0.5  # times the largest person of the shot: smaller people are not worth the time
_CLEARLY_S, _CLEARLY = 0.3, 4  # seconds and frames, at least, in which somebody was seen clearly who is in no track


@dataclass(frozen=True)
class Overlooked:
    """A pose that is clearly a person's and in no track, and the frame that shows it."""

    frame: int
    pose: Pose


def overlooked(people: list[Person], tracks: list[Track], fps: float) -> list[Overlooked]:
    """The clearest pose of each person of a shot who is in none of its tracks though about as near as others, the clearest first."""
    found = []
    sizes = [np.median([extent(points) for points in track.keypoints_2d[track.observed]]) for track in tracks]
    least = _AS_LARGE * max(sizes, default=0.0)
    for person in people:
        seen = [Overlooked(frame, poses[0]) for frame, poses in person.readings.items() if quality(poses[0]) > CLEAR]
        seen = [one for one in seen if extent(one.pose.keypoints_2d) > least and not _is_in(tracks, one)]
        if len(seen) >= max(_CLEARLY, _CLEARLY_S * fps):
            found.append(max(seen, key=lambda one: quality(one.pose)))
    return sorted(found, key=lambda one: -quality(one.pose))


def look_again(
    source: Source, finder: PeopleFinder, mirror: Mirror, found: list[Overlooked], tracks: list[Track], shot: tuple[int, int],
    on_frame: Callable[[], None],
) -> list[Track]:  # fmt: skip
    """The tracks of a shot of frames first to last, and of those who were overlooked, as far as they are real; on_frame is called for
    every frame that is looked at."""
    tracks, fps = list(tracks), float(source.fps)
    for one in found:
        if _is_in(tracks, one):
            continue
        _, image = next(source.frames(one.frame, one.frame))
        known = [Known(number, track) for number, track in enumerate(tracks)]
        person, goes_on_as = follow(source, finder, mirror, (one.frame, image, one.pose), known, shot, on_frame)
        for track in worth_keeping([person], fps, *shot, source.size):
            if goes_on_as is None:
                tracks.append(track)
            else:
                tracks[goes_on_as] = joined(tracks[goes_on_as], track)
    return tracks


def _is_in(tracks: list[Track], one: Overlooked) -> bool:
    """Whether a track shows somebody in the place of a pose."""
    rows = [(track, one.frame - int(track.frames[0])) for track in tracks]
    there = [track.keypoints_2d[row] for track, row in rows if 0 <= row < len(track.frames) and track.observed[row]]
    return any(same_body(points, one.pose.keypoints_2d) for points in there)
