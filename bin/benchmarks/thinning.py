# SPDX-License-Identifier: GPL-3.0-or-later
"""How many keys thinning leaves: `./bin/benchmark thinning [TAKE.npz...]`.

Without Takes: the motion capture of tests/data on the open body. A foot's points are taken to rest there while they are within 3 cm of
their lowest and slower than 0.2 m/s; a Take knows its contacts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.mocap import SMALL_SET, BodyMotion, read_clips, to_body
from bin.benchmarks.posing import posed
from skel_blender import take as takes
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.rig import continuity
from skel_blender.rig.editing import thinning
from skel_blender.rig.editing.sway import Bounds

_NEAR_M, _SLOW = 0.03, 0.2  # m, m/s
_COLUMNS = ("motion", "frames", "fps", "a foot rests", "keys left", "at 10 and 2 mm", "joints off, feet at rest off (mm)", "CPU s")
Motion = tuple[str, float, np.ndarray, np.ndarray, takes.RestBody, np.ndarray]


def of_take(path: Path) -> Iterator[Motion]:
    """Each person's name, frames a second, poses, trans, rest body and contacts."""
    take = takes.load(path)
    for person in take.people:
        poses = continuity.continuous(person.poses, person.body.limits)
        yield f"{path.stem}, {person.name}", float(take.fps), poses, person.trans, person.body, person.contacts


def of_mocap(body: BodyModel) -> Iterator[Motion]:
    """The same of motion capture."""
    for clip in read_clips(SMALL_SET):
        motion = to_body(clip, body)
        rest = body.rest_body(motion.betas)
        poses = continuity.continuous(motion.poses, rest.limits)
        yield f"{clip.name}: {clip.description}", clip.fps, poses, motion.trans, rest, _contacts(body, motion, clip.fps)


def _contacts(body: BodyModel, motion: BodyMotion, fps: float) -> np.ndarray:
    """(T,6) bool."""
    places = posed(body, motion.poses, motion.betas, motion.trans)[1]
    speed = np.linalg.norm(np.gradient(places, axis=0), axis=-1) * fps
    return (places[..., 1] < places[..., 1].min() + _NEAR_M) & (speed < _SLOW)


def main(argv: list[str]) -> int:
    """Print a markdown table."""
    parser = report.parser("thinning", __doc__)
    parser.add_argument("takes", nargs="*", type=Path)
    paths = parser.parse_args(argv).takes
    found = (motion for path in paths for motion in of_take(path)) if paths else of_mocap(load_body("open", "male"))
    print(report.head(_COLUMNS))
    for name, fps, poses, trans, body, contacts in found:
        start = time.process_time()
        thinned = thinning.thin(poses, trans, body.joints, body.frames, contacts, limits=body.limits)
        spent = time.process_time() - start
        loose = thinning.thin(poses, trans, body.joints, body.frames, contacts, Bounds(0.01, 0.002), body.limits)
        shares = f"{contacts.any(axis=1).mean():.0%}", f"{thinned.share:.1%}", f"{loose.share:.1%}"
        off = f"{1000 * thinned.error:.1f}, {1000 * thinned.contact_error:.2f}"
        print(report.row([name, len(poses), f"{fps:.0f}", *shares, off, f"{spent:.1f}"]), flush=True)
    return 0
