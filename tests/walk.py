# SPDX-License-Identifier: GPL-3.0-or-later
"""A real walk on the open body, as a Take: motion capture whose way to the body is computed once (see tests/data/walk.NOTICE.md).

`python -m tests.walk` (under the engine's Python) makes tests/data/walk.npz again.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from skel_blender.take import Take
from tests import synthetic

DATA = Path(__file__).resolve().parent / "data"
CLIP = "49_01@0-120"


def take() -> Take:
    """120 frames at 30 a second, without contacts; the skin is the open male body's in the walker's shape."""
    with np.load(DATA / "walk.npz", allow_pickle=False) as data:
        poses, betas, trans, fps = data["poses"], data["betas"], data["trans"], int(data["fps"])
    result = synthetic.random_take(frames=len(poses), people=1, fps=Fraction(fps))
    person = result.people[0]
    person.name, person.body_name = "walker", "open male"
    person.poses, person.trans, person.betas = poses.astype(float), trans.astype(float), betas.astype(float)
    person.body = synthetic.open_body("male", person.betas)
    return result


def main() -> None:
    """Fit the body to the motion capture and write the file."""
    from bin.benchmarks import mocap
    from skel_blender.engine.body import load_body

    clip = next(clip for clip in mocap.read_clips(mocap.SMALL_SET) if clip.name == CLIP)
    motion = mocap.to_body(clip, load_body("open", "male"))
    arrays = {"poses": motion.poses, "betas": motion.betas, "trans": motion.trans}
    np.savez_compressed(DATA / "walk.npz", fps=round(clip.fps), **{name: array.astype(np.float32) for name, array in arrays.items()})


if __name__ == "__main__":
    main()
