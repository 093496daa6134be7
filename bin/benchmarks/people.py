# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is found in footage, and what it costs: `./bin/benchmark people CLIP...`; with --alone only in single frames, which is quick.

Frames in which somebody was marked by hand, in people_marked.csv beside this file, tell who is missed. They are of `vtest.avi` (Debian's
opencv-doc), `mmpose_demo.mp4` (open-mmlab/mmpose, demo/resources/demo.mp4), `intel_onebyone.mp4` (intel-iot-devkit/sample-videos,
one-by-one-person-detection.mp4) and `sports2d_demo.mp4` (Sports2D, Demo/demo.mp4); clips are known by these names. Somebody is `clear`
who is seen from head to foot or nearly so, and at least 50 px tall; who is hidden for the most part, cut by the border or smaller may
be found or not.
"""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bin.benchmarks import report
from skel_blender import environment
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.footage.source import Range
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people.crops import Roi
from skel_blender.engine.people.detect import PeopleFinder
from skel_blender.engine.people.landmarker import Landmarker, Networks, Pose
from skel_blender.engine.people.tracker import Tracker
from skel_blender.engine.people.tracks import Track, finished

_MARKED = Path(__file__).with_name("people_marked.csv")
_KINDS = ("detect", "upright", "landmarks")
_COLUMNS = ("clip", "frames", "tracks", "people a frame", "clear people found", "found where nobody is",
            *(f"{kind} a frame" for kind in _KINDS), "ms a frame", "in looks of the landmark network")  # fmt: skip
_ALONE = ("clip", "marked frames", "BlazePose's detector on tiles", "where nobody is", "and upright people", "where nobody is")


@dataclass(frozen=True)
class Mark:
    """A person in a frame: corners of the box around him (x0, y0, x1, y1) px, and whether he is in clear sight."""

    frame: int
    box: np.ndarray
    clear: bool


class Counting:
    """Networks that count their questions and the seconds that they take."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self.asked, self.seconds = dict.fromkeys(_KINDS, 0), dict.fromkeys(_KINDS, 0.0)

    def detect(self, image: np.ndarray, window: Roi, threshold: float) -> list[tuple[Roi, float]]:
        return self._ask("detect", image, window, threshold)

    def upright(self, image: np.ndarray) -> list[Roi]:
        return self._ask("upright", image)

    def landmarks(self, image: np.ndarray, roi: Roi, mirrored: bool = False) -> Pose:
        return self._ask("landmarks", image, roi, mirrored)

    def _ask(self, kind: str, *question: object):
        start = time.perf_counter()
        answer = getattr(self._networks, kind)(*question)
        self.asked[kind] += 1
        self.seconds[kind] += time.perf_counter() - start
        return answer


def marks_of(clip: str, first: int, last: int) -> list[Mark]:
    """What is marked in the frames `first` to `last` of a clip of this name."""
    with open(_MARKED, newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["clip"] == clip and first <= int(row["frame"]) <= last]
    boxes = [np.array([float(row[side]) for side in ("x0", "y0", "x1", "y1")]) for row in rows]
    return [Mark(int(row["frame"]), box, row["sight"] == "clear") for row, box in zip(rows, boxes, strict=True)]


def compare(poses: dict[int, list[np.ndarray]], marks: list[Mark]) -> tuple[str, int]:
    """How many of the clear people are among the poses [(33,3)] of each marked frame, and how many of these are of nobody."""
    found = clear = strange = 0
    for frame, here in poses.items():
        boxes = [np.concatenate([points[LIMBS, :2].min(0), points[LIMBS, :2].max(0)]) for points in here]
        for mark in sorted((mark for mark in marks if mark.frame == frame), key=lambda mark: not mark.clear):
            own = next((k for k, box in enumerate(boxes) if _in_place(box, mark.box)), None)
            if own is not None:
                boxes.pop(own)
            clear += mark.clear
            found += mark.clear and own is not None
        strange += len(boxes)
    return f"{found} of {clear}", strange


def seen(tracks: list[Track], frame: int) -> list[np.ndarray]:
    """The poses (33,3) of those who were seen in a frame."""
    rows = [(track, frame - track.frames[0]) for track in tracks]
    return [track.keypoints_2d[k] for track, k in rows if 0 <= k < len(track.frames) and track.observed[k]]


def _in_place(box: np.ndarray, marked: np.ndarray) -> bool:
    """Whether a pose's box has its middle in a marked one and about its height."""
    middle, height = (box[:2] + box[2:]) / 2, marked[3] - marked[1]
    inside = np.abs(middle - (marked[:2] + marked[2:]) / 2) < (marked[2:] - marked[:2]) / 2 + 0.08 * height
    return bool(inside.all() and 0.4 < (box[3] - box[1]) / height < 1.3)


def followed(clip: Path, networks: Networks, frames: Range) -> list[object]:
    """The table's row of one clip."""
    counting = Counting(networks)
    source = open_source([clip], frames)
    tracker = Tracker(PeopleFinder(counting), float(source.fps))
    seconds = 0.0
    for number, image in source:
        start = time.perf_counter()
        tracker.add(number, image)
        seconds += time.perf_counter() - start
    tracks = finished(tracker.people, float(source.fps), source.first, source.frame_numbers[-1], source.size)
    marks = marks_of(clip.name, source.first, source.last)
    told = compare({frame: seen(tracks, frame) for frame in {mark.frame for mark in marks}}, marks) if marks else ("", "")
    people = sum(int(track.observed.sum()) for track in tracks) / source.count
    look = counting.seconds["landmarks"] / max(counting.asked["landmarks"], 1)
    asked = [f"{counting.asked[kind] / source.count:.2f}" for kind in _KINDS]
    return [clip.name, source.count, len(tracks), f"{people:.2f}", *told, *asked, f"{1e3 * seconds / source.count:.0f}",
            f"{seconds / source.count / look:.1f}" if look else ""]  # fmt: skip


def alone(clip: Path, networks: Networks, frames: Range) -> list[object]:
    """The row of one clip whose marked frames are looked at as if each were a picture of its own."""
    source = open_source([clip], frames)
    marks = marks_of(clip.name, source.first, source.last)
    wanted = {mark.frame for mark in marks}
    images = {number: image for number, image in source if number in wanted}
    told: list[object] = []
    for upright in (False, True):
        found = {number: PeopleFinder(networks).search(image, 3, upright, []) for number, image in images.items()}
        told += compare({number: [pose.keypoints_2d for pose in poses] for number, poses in found.items()}, marks)
    return [clip.name, len(images), *told]


def main(argv: list[str]) -> int:
    parser = report.parser("people", __doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", default=":", metavar="A:B", help="frames A to B-1 of each")
    parser.add_argument("--alone", action="store_true", help="only the marked frames, each by itself")
    options = parser.parse_args(argv)
    first, _, end = options.frames.partition(":")
    frames = (int(first) if first else None, int(end) - 1 if end else None)
    networks = Landmarker(environment.landmark_model(environment.default_root()))
    print(report.head(_ALONE if options.alone else _COLUMNS))
    for clip in options.clips:
        print(report.row((alone if options.alone else followed)(clip, networks, frames)), flush=True)
    return 0
