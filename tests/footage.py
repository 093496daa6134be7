# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reconstruction of real footage must hold, measured on the Take alone.

`$(./bin/skel-blender env) -m tests.footage CLIP...` prints the figures of any clip.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skel_blender import kinematics
from skel_blender.take import CONTACT_NAMES, Person, Take, load

LIMBS = (*range(11, 17), *range(23, 29))  # shoulders, elbows, wrists, hips, knees, ankles
FOOT = {"r": (3, 4, 5), "l": (8, 9, 10)}
WALL_M = 0.5  # who rests higher rests on something else than the floor
CLEAR = 0.5  # confidence from which a landmark is what the landmarker saw, not what it guessed


@dataclass(frozen=True)
class Report:
    """A person's figures: parts of the body's height in the image, degrees, degrees, metres."""

    reprojection: float
    beyond_limits: float
    largest_jump: float
    contact_height: float
    contacts: float


def reconstruct(clip: Path, model: Path, out: Path, **options) -> Take:
    """Run the engine in this process and read the Take back."""
    from skel_blender.engine.pipeline import Options, reconstruct_to_file

    reconstruct_to_file(Options(inputs=(str(clip),), model=str(model), **options), out)
    return load(out)


def measure(take: Take, person: Person) -> Report:
    """The figures of one person."""
    return Report(
        reprojection=float(np.nanmedian(person.reprojection_error / height_px(take, person))),
        beyond_limits=float(np.degrees(person.violations().max())),
        largest_jump=float(np.degrees(np.abs(np.diff(person.poses, axis=0)).max(initial=0.0))),
        contact_height=_contact_height(person),
        contacts=float(person.contacts.mean()),
    )


def height_px(take: Take, person: Person) -> np.ndarray:
    """(T,) px that the standing body would measure at the person's distance."""
    stature = np.ptp(person.body.skin_verts[:, 1])
    world_to_cam = take.camera.world_to_cam[person.frames - take.frames[0]]
    pelvis = person.joints()[:, 0]
    depth = np.einsum("tj,tj->t", world_to_cam[:, 2, :3], pelvis) + world_to_cam[:, 2, 3]
    return take.camera.lenses()[person.frames - take.frames[0], 1, 1] * stature / depth


def _contact_height(person: Person) -> float:
    """The farthest (m) that the lowest skin vertex of a foot in contact is from the floor, but for feet on a wall."""
    worst, body = 0.0, person.body
    main = body.owners()
    transforms = person.transforms()
    for side, joints in FOOT.items():
        own = np.isin(main, joints)
        touching = person.contacts[:, [name.endswith(side) for name in CONTACT_NAMES]].any(axis=1)
        for t in np.flatnonzero(touching):
            skin = kinematics.skin(transforms[t], body.joints, body.skin_verts[own], body.weight_index[own], body.weight_value[own])
            height = float(skin[:, 1].min())
            worst = max(worst, abs(height) if height < WALL_M else 0.0)
    return worst


def reprojection_by_hand(take: Take, person: Person) -> np.ndarray:
    """(T,) px, median distance of hips, knees and elbows as joints from their landmarks where those are clear: a second opinion on
    `reprojection_error` that uses only what a Take's reader has."""
    pairs = {23: 6, 24: 1, 25: 7, 26: 2, 13: 21, 14: 16}
    joints = person.joints()[:, list(pairs.values())]
    world_to_cam = take.camera.world_to_cam[person.frames - take.frames[0]]
    seen = np.einsum("tij,tkj->tki", world_to_cam[:, :3, :3], joints) + world_to_cam[:, None, :3, 3]
    pixels = seen @ take.camera.lenses()[person.frames - take.frames[0]].swapaxes(-1, -2)
    keypoints = person.keypoints_2d[:, list(pairs)]
    error = np.linalg.norm(pixels[..., :2] / pixels[..., 2:] - keypoints[..., :2], axis=-1)
    return np.nanmedian(np.where(keypoints[..., 2] > CLEAR, error, np.nan), axis=1)


def main(clips: list[str]) -> None:
    """Reconstruct clips and print a line for each person."""
    from skel_blender import environment

    model = environment.landmark_model(environment.default_root())
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            take = reconstruct(Path(clip), model, Path(folder) / "take.npz")
            empty = np.setdiff1d(take.frames, np.concatenate([person.frames for person in take.people]))
            print(f"{Path(clip).name}: {len(take.frames)} frames at {float(take.fps):g} per second, {len(empty)} of them without anybody")
            for person in take.people:
                report, first, last = measure(take, person), person.frames[0], person.frames[-1]
                print(f"  {person.name}, frames {first} to {last}, seen in {np.mean(person.confidence > 0):.0%}: error "
                      f"{report.reprojection:.2%} of height, beyond limits {report.beyond_limits:.1f} deg, "
                      f"largest jump {report.largest_jump:.0f} deg, contacts {report.contacts:.0%}, "
                      f"their feet within {report.contact_height * 100:.1f} cm", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
