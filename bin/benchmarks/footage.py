# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of a reconstruction goes: `./bin/benchmark footage CLIP...`; nothing that is known of the clips is used.

Milliseconds a frame. `busy` adds up the threads that were at a stage at the same time, so the stages may take longer than the run, and what
follows people waits for others. A stage's processor time is that of the threads that asked: on one core (Linux: `taskset --cpu-list 0
./bin/benchmark footage CLIP`) it is all of it, and does not depend on what else the machine does.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from bin.benchmarks import report
from skel_blender import environment
from skel_blender.engine import pipeline
from skel_blender.engine.__main__ import frame_range
from skel_blender.engine.background import Background
from skel_blender.engine.footage.video import VideoSource
from skel_blender.engine.people import tracker
from skel_blender.engine.people.landmarker import Landmarker
from skel_blender.engine.people.tracker import Tracker
from skel_blender.engine.regress.lift import LiftRegressor
from skel_blender.engine.threads import cores

_STAGES = {
    "frames are read": (VideoSource, "_pictures"),
    "BlazePose's detector": (Landmarker, "detect"),
    "upright people": (Landmarker, "upright"),
    "landmark network": (Landmarker, "landmarks"),
    "people are followed": (Tracker, "add"),
    "a second look, with its networks": (tracker, "look_again"),
    "background's corners": (Background, "see"),
    "camera's motion": (Background, "motion"),
    "lifting network": (LiftRegressor, "__call__"),
    "fit": (pipeline, "fit_people"),
}


class Stopwatch:
    """How often something was begun, and the seconds that it took, added up over all threads."""

    def __init__(self) -> None:
        self.times, self.seconds, self.processor = Counter(), Counter(), Counter()
        self._lock = threading.Lock()

    def calls(self, name: str, function: Callable) -> Callable:
        def timed(*arguments, **named):
            start, own = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                self._add(name, time.perf_counter() - start, time.thread_time() - own)

        return timed

    def steps(self, name: str, generator: Callable) -> Callable:
        def timed(*arguments) -> Iterator:
            steps = generator(*arguments)
            step = self.calls(name, lambda: next(steps, None))
            while (item := step()) is not None:
                yield item

        return timed

    def _add(self, name: str, seconds: float, processor: float) -> None:
        with self._lock:
            self.times[name] += 1
            self.seconds[name] += seconds
            self.processor[name] += processor


def timed(clip: Path, frames: tuple[int | None, int | None]) -> None:
    """Print the table of one clip."""
    watch = Stopwatch()
    model = environment.landmark_model(environment.default_root())
    with ExitStack() as patches:
        for name, (owner, function) in _STAGES.items():
            wrap = watch.steps if function == "_pictures" else watch.calls
            patches.enter_context(patch.object(owner, function, wrap(name, getattr(owner, function))))
        wall, processor = time.perf_counter(), time.process_time()
        take = pipeline.reconstruct(pipeline.Options((str(clip),), str(model), frames))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    count = len(take.frames)
    people = sum(len(person.frames) for person in take.people) / count
    print(f"\n{clip.name}: {count} frames, {people:.1f} people a frame, {cores()} cores\n")
    print(report.head(("stage", "times a frame", "busy, ms a frame", "processor, ms a frame")))
    for name in _STAGES:
        spent = (f"{1e3 * seconds[name] / count:.1f}" for seconds in (watch.seconds, watch.processor))
        print(report.row((name, f"{watch.times[name] / count:.2f}", *spent)))
    print(report.row(("the whole run", "", f"{1e3 * wall / count:.1f}", f"{1e3 * processor / count:.1f}")), flush=True)


def main(argv: list[str]) -> int:
    parser = report.parser("footage", __doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=frame_range, default=(None, None), metavar="A:B", help="frames A to B-1 of each")
    options = parser.parse_args(argv)
    for clip in options.clips:
        timed(clip, options.frames)
    return 0
