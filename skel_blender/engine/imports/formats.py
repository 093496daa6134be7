# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program's layout a motion file has, told by its contents, and the people in it.

| layout | where from | what it holds |
|---|---|---|
| AMASS | AMASS and its SMPL-X stage II (Mahmood et al. 2019) | poses or root_orient + pose_body, trans, betas, gender, rate; z up |
| SMPL | AIST++ (Li et al. 2021) and others | smpl_poses, smpl_trans, smpl_scaling: the place is divided by the scale; y up |
| 4D-Humans | PHALP's tracks (Rajasegaran et al. 2022) | per frame lists: tid, smpl (matrices), camera, size; the camera's axes |
| WHAM | Shin et al. 2024 | per person pose_world, trans_world, betas, frame_ids; y up. Of the lens and the picture's size nothing |
| GVHMR | Shen et al. 2024 | smpl_params_global with global_orient, body_pose, transl, betas; SMPL-X, y up, 30 a second; |
|       |                  | smpl_params_incam: the same in the camera's axes, through the lens K_fullimg |
| TRAM | Wang et al. 2024 | pred_rotmat, pred_trans, pred_shape, frame; the camera's axes, which camera.npy puts into its world |
| SLAHMR | its *_world_results.npz (Ye et al. 2023) | (people, frames, ...) root_orient, pose_body, trans, betas, cam_R, cam_t; y down |
| 3DPW | its sequenceFiles (von Marcard et al. 2018) | lists of people: poses, trans, betas, genders; cam_poses; y up, 30 a second |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...messages import SkelError
from ...requests import rate
from ...take.file import FORMAT
from .containers import read_tree
from .entries import Tree, first_of, motion_of, numbers_of, rate_of, rotations_of, rotations_of_parts
from .filmed import gvhmr, phalp, slahmr, threedpw, tram
from .motion import UP_AXES, SmplMotion

_UPRIGHT = 0.9  # cosine; a trunk that points along another axis than the layout's up in most frames tells the axis


def read_motions(path: Path | str, fps: float | None = None, up: str | None = None) -> list[SmplMotion]:
    """Everybody in a motion file, the longest track first. `fps` and `up` ('y', 'z', '-y') overrule what the file says.

    Raises SkelError with one sentence that names the file and what was expected of it.
    """
    path = Path(path)
    tree = read_tree(path)
    try:
        found = _people(tree, path) if isinstance(tree, dict) else []
    except SkelError:
        raise
    except Exception as error:  # names that a layout knows, with anything under them
        raise SkelError("bad_motion", f"{path.name} has the names of a layout, but not what belongs there.", "Export it again.") from error
    if not found and isinstance(tree, dict) and str(tree.get("format")) == FORMAT:
        raise SkelError("bad_motion", f"{path.name} is a Take already.", "Give it to the command export, or to Load Take in Blender.")
    if not found:
        keys = f" (it has {', '.join(map(str, list(tree)[:6]))})" if isinstance(tree, dict) and tree else ""
        raise SkelError("bad_motion", f"{path.name} is in none of the layouts AMASS, SMPL, 4D-Humans, WHAM, GVHMR, TRAM, SLAHMR "
                        f"and 3DPW{keys}.",
                        "Give a file with poses and trans, or one that such a program wrote.")  # fmt: skip
    if fps is not None:
        found = [replace(motion, fps=rate(fps), knows_rate=True) for motion in found]
    found = [replace(motion, up=up) if up is not None else _checked_up(motion) for motion in found]
    return sorted(found, key=lambda motion: -len(motion.frames))


def _people(tree: Tree, path: Path) -> list[SmplMotion]:
    """By the first layout that knows the file."""
    for layout in (gvhmr, tram, _wham, phalp, _smpl_pickle, slahmr, threedpw, _amass):
        found = layout(tree, path)
        if found:
            return found
    return []


def _amass(tree: Tree, path: Path) -> list[SmplMotion]:
    if "poses" in tree:
        poses = numbers_of(tree, "poses", path)
        rotations, model = rotations_of(poses, path)
    elif first_of(tree, "root_orient", "global_orient") is not None and first_of(tree, "pose_body", "body_pose") is not None:
        rotations, model = rotations_of_parts(tree, path)
    else:
        return []
    stated = str(np.ravel(first_of(tree, "surface_model_type", "model"))[0]).lower()
    model = next((name for name in ("smplx", "smplh", "smpl") if stated.startswith(name)), model)
    trans = first_of(tree, "trans", "transl", "translation")
    if trans is None:
        raise SkelError("bad_motion", f"{path.name} has poses but no trans.", "Export it with the person's place in each frame.")
    fps = rate_of(tree, "mocap_framerate", "mocap_frame_rate", "fps", "frame_rate")
    return [motion_of("Person 1", "AMASS", path, rotations, trans, tree.get("betas"), model, tree, fps, "z", has_floor=True)]


def _smpl_pickle(tree: Tree, path: Path) -> list[SmplMotion]:
    if "smpl_poses" not in tree:
        return []
    rotations, model = rotations_of(numbers_of(tree, "smpl_poses", path), path)
    trans = numbers_of(tree, "smpl_trans", path)
    scale = float(np.ravel(tree.get("smpl_scaling", 1.0))[0])
    # AIST++ is at 60 frames a second and says its scale; what was made after its example without one runs at 30
    fps = rate_of(tree, "fps") or Fraction(60 if "smpl_scaling" in tree else 30)
    return [motion_of("Person 1", "SMPL", path, rotations, trans / scale, tree.get("smpl_betas"), model, tree, fps, "y", has_floor=False)]


def _wham(tree: Tree, path: Path) -> list[SmplMotion]:
    people = tree if any("pose_world" in person for person in tree.values() if isinstance(person, dict)) else {0: tree}
    found = []
    for person in people.values():
        if not isinstance(person, dict) or "pose_world" not in person:
            continue
        rotations, model = rotations_of(numbers_of(person, "pose_world", path), path)
        trans = numbers_of(person, "trans_world", path)
        found.append(motion_of(f"Person {len(found) + 1}", "WHAM", path, rotations, trans, person.get("betas"), model, person, None, "y",
                               has_floor=False, frames=person.get("frame_ids")))  # fmt: skip
    return found


def _checked_up(motion: SmplMotion) -> SmplMotion:
    """The motion with another up axis, where most frames' trunks stand along that and hardly any along the layout's."""
    trunk = motion.rotations[:, 0, :, 1]
    share = {up: float((trunk @ axes[1] > _UPRIGHT).mean()) for up, axes in UP_AXES.items()}
    best: Callable[[str], float] = share.__getitem__
    likely = max(share, key=best)
    return replace(motion, up=likely) if share[likely] > 0.6 and share[motion.up] < 0.05 else motion
