# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs for the user about a reconstruction; None where there is nothing to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import who
from ..messages import Log
from ..sequence import IMAGE_ENDINGS
from ..take import Person
from .blazepose import ANKLES, HIPS, LEGS, SHOULDERS
from .fit.contacts import SEEN
from .fit.observations import View
from .footage.source import typed
from .people.tracks import Track

_STAYS_M = 0.01  # a shorter path is no path
_ALWAYS, _STRAIGHT = 0.9, np.cos(np.radians(45))  # share of the frames; least cosine between a part of the body and the image's axis
_RARELY = 0.25  # share of the frames
# Where heads point in an image that was turned: direction in it, how people then look, the filter of FFmpeg that turns it upright.
_TURNED = (((0, 1), "upside down", "hflip,vflip"), ((-1, 0), "lying", "transpose=1"), ((1, 0), "lying", "transpose=2"))
_NAMED = 8  # people who are named when they are left out
_UNDER_M = 0.3  # below the floor: more than the error of anybody's feet


def lens(size: tuple[int, int], focal_px: float, spread: float) -> Log:
    """About a focal length that was estimated from people, for images of `size` px; spread: the standard deviation of its logarithm."""
    degrees = np.degrees(2 * np.arctan(0.5 * max(size) / focal_px))
    text = "The lens was estimated from people who stand and walk on one floor"
    return Log("info", f"{text}, to about {100 * spread:.0f} %: {degrees:.0f} degrees across the longer side.")


def way(view: View) -> Log:
    """About a camera that moved from its place: how far, or that this is not known."""
    eye = view.eye.cpu().numpy()
    metres = np.linalg.norm(np.diff(eye, axis=0), axis=1).sum()
    if metres < _STAYS_M:
        text = "The camera travels, but no resting feet show how far, so people seem to move instead."
        return Log("warning", f"{text} Solve the clip's camera in Blender, and place the take by it.")
    return Log("info", f"The camera travels {metres:.1f} m; that is removed from people's motion.")


def turned(tracks: list[Track], path: Path) -> Log | None:
    """About footage that is probably turned: nearly all the time everybody stands on the image's upper edge, or on one of its sides."""
    middles = [[track.keypoints_2d[track.observed][:, pair, :2].mean(1) for pair in (SHOULDERS, HIPS, ANKLES)] for track in tracks]
    shoulders, hips, ankles = (np.concatenate(part) for part in zip(*middles))
    parts = np.stack([shoulders - hips, hips - ankles])
    parts /= np.maximum(np.linalg.norm(parts, axis=-1, keepdims=True), 1e-6)
    for direction, look, how in _TURNED:
        if ((parts @ np.array(direction)).min(0) > _STRAIGHT).sum() > _ALWAYS * len(hips):
            text = f"Everybody is seen {look}, stretched out, nearly all the time. If the footage is rotated, turn"
            mend = f"it upright, for example with `ffmpeg -i {typed(path.name)} -vf {how} upright.mp4`, and use that."
            if path.suffix.lower() in IMAGE_ENDINGS:
                mend = "the images upright and use those."
            return Log("warning", f"{text} {mend}")
    return None


def left_out(numbers: list[int]) -> Log:
    """About people whom no body explains."""
    named = ", ".join(map(who.name, numbers[:_NAMED])) + f" and {len(numbers) - _NAMED} more" * (len(numbers) > _NAMED)
    return Log("warning", f"Left out, as no body explains what was seen: {named}.")


def found(people: list[Person]) -> Log:
    """About who is in which frames."""
    there = ", ".join(f"{person.name} in frames {person.frames[0]} to {person.frames[-1]}" for person in people)
    return Log("detail", f"Found: {there}.")


def under(people: list[Person]) -> Log | None:
    """About people below the floor on which others stand, as a child is who is taken for a man farther away."""
    low = [person.name for person in people if np.median(person.joints()[..., 2].min(axis=1)) < -_UNDER_M]
    if not low or len(people) == 1:
        return None
    text = f"{', '.join(low)}: under the floor. A small person, such as a child, is taken for a larger one farther away"
    return Log("warning", f"{text}: give their height with --stature (in Blender: People).")


def unseen_legs(people: list[Person]) -> Log | None:
    """About people whose knees and ankles are rarely seen, as behind a desk or below the image."""
    hidden = [person.name for person in people if (person.keypoints_2d[:, LEGS, 2] > SEEN).any(axis=1).mean() < _RARELY]
    if not hidden:
        return None
    return Log("warning", f"{', '.join(hidden)}: legs are rarely seen; they and the height of the hips are guesses, to be keyed by hand.")
