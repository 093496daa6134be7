# SPDX-License-Identifier: GPL-3.0-or-later
"""People by their numbers, and what an animator corrects about who is who: tracks joined, exchanged, parted, left out and added."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...messages import SkelError
from ...who import Correction
from .tracks import Track, joined, without_holes

# Somebody who is pointed at, given the tracks of his shot by number: his track, and whose it goes on, None for nobody's.
Pointed = Callable[[Correction, Mapping[int, Track]], tuple[Track, int | None]]


def sorted_out(tracks: Sequence[Track], said: Iterable[Correction], cuts: Sequence[int], pointed: Pointed) -> list[Track]:
    """The tracks numbered from 1, after each correction in turn; those of a shot together, by their numbers.

    Numbers stay who they are: of two who are the same the first one's number remains. Raises SkelError for a correction of somebody who is
    not there, at a frame where it means nothing, or of people of two shots, and what `pointed` raises.
    """
    people = _People(tracks, cuts, pointed)
    for one in said:
        people.correct(one)
    if not people.tracks:
        raise SkelError("no_person", "Everybody is left out.", "Leave somebody in.")
    found = [replace(track, number=number) for number, track in people.tracks.items()]
    return sorted(found, key=lambda track: (people.shot(track), track.number))


class _People:
    """Tracks by number; `newest` is the highest that was ever given."""

    def __init__(self, tracks: Sequence[Track], cuts: Sequence[int], pointed: Pointed) -> None:
        self.tracks, self.newest, self._cuts, self._pointed = dict(enumerate(tracks, 1)), len(tracks), cuts, pointed

    def shot(self, track: Track) -> int:
        """Which shot a track is in, by its first frame."""
        return bisect_right(self._cuts, int(track.frames[0]))

    def correct(self, one: Correction) -> None:
        """Take a correction in."""
        missing = next((number for number in one.people if number not in self.tracks), None)
        if missing is not None:
            raise SkelError("no_person", f"There is no Person {missing} (who is who, {one}).", "Give the numbers of people who were found.")
        if len({self.shot(self.tracks[number]) for number in one.people}) > 1:
            raise SkelError("usage", f"Person {one.people[0]} and Person {one.people[1]} are in two shots (who is who, {one}).",
                            "Each shot has a camera and people of its own; with --cuts=off the footage is one shot.")  # fmt: skip
        getattr(self, f"_{one.kind}")(one)

    def _same(self, one: Correction) -> None:
        first, second = one.people
        self.tracks[first] = joined(self.tracks[first], self.tracks.pop(second))

    def _change(self, one: Correction) -> None:
        (first, ahead), (second, behind) = (self._parted(number, one.frame) for number in one.people)
        if ahead is None and behind is None:
            raise SkelError("usage", f"Neither is seen from frame {one.frame} on (who is who, {one}).", "Give an earlier frame.")
        for number, track in zip(one.people, (joined(first, behind), joined(second, ahead))):
            if track is None:
                del self.tracks[number]
            else:
                self.tracks[number] = track

    def _other(self, one: Correction) -> None:
        (number,) = one.people
        before, after = self._parted(number, one.frame)
        if before is None or after is None:
            raise SkelError("usage", f"Person {number} is not seen both before frame {one.frame} and after (who is who, {one}).",
                            "Give a frame between two in which they are seen.")  # fmt: skip
        self.newest += 1
        self.tracks[number], self.tracks[self.newest] = before, after

    def _without(self, one: Correction) -> None:
        del self.tracks[one.people[0]]

    def _here(self, one: Correction) -> None:
        shot = bisect_right(self._cuts, one.frame)
        track, goes_on = self._pointed(one, {number: track for number, track in self.tracks.items() if self.shot(track) == shot})
        if goes_on is None:
            self.newest += 1
            self.tracks[self.newest] = track
        else:
            self.tracks[goes_on] = joined(self.tracks[goes_on], track)

    def _parted(self, number: int, frame: int) -> tuple[Track | None, Track | None]:
        """What was seen of somebody before a frame, and from it on."""
        track = self.tracks[number]
        return _seen(track, track.frames < frame), _seen(track, track.frames >= frame)


def _seen(track: Track, rows: np.ndarray) -> Track | None:
    """The track of the frames among `rows` (T,) bool in which the person was seen; None if there are none."""
    rows = rows & track.observed
    if not rows.any():
        return None
    outline = None if track.outline is None else track.outline[rows]
    return without_holes(track.frames[rows], track.keypoints_2d[rows], track.landmarks_3d[rows], outline)
