# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program's layout a motion file has, told by its contents, and the people in it.

| layout | where from | what it holds |
|---|---|---|
| AMASS | AMASS and its SMPL-X stage II (Mahmood et al. 2019) | poses or root_orient + pose_body, trans, betas, gender, rate; z up |
| SMPL | AIST++ (Li et al. 2021) and others | smpl_poses, smpl_trans, smpl_scaling: the place is divided by the scale; y up |
| 4D-Humans | PHALP's tracks (Rajasegaran et al. 2022) | per frame lists: tid, smpl (matrices), camera, size; the camera's axes |
| WHAM | Shin et al. 2024 | per person pose_world, trans_world, betas, frame_ids; y up |
| GVHMR | Shen et al. 2024 | smpl_params_global with global_orient, body_pose, transl, betas; SMPL-X, y up, 30 a second |
| TRAM | Wang et al. 2024 | pred_rotmat, pred_trans, pred_shape, frame; the camera's axes, which camera.npy puts into its world |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...messages import SkelError
from ...requests import rate
from .containers import read_tree
from .entries import Tree, first_of, numbers_of, rate_of, rotations_of, rotations_of_parts
from .motion import UP_AXES, Lens, SmplMotion, bridged, nearest_rotations

_UPRIGHT = 0.9  # cosine; a trunk that points along another axis than the layout's up in most frames tells the axis
_PHALP_FOCAL = 5000 / 256  # PHALP's focal length in units of the image's longer side
_LONGEST = 500_000  # frames from a track's first to its last: an hour at 120 a second, and 10 GB of targets
_FARTHEST_M = 1e4  # from the origin; beyond, the fit's digits end
_MOST_PX = 1e6  # focal length and image of a lens that can be


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
    if not found:
        keys = f" (it has {', '.join(map(str, list(tree)[:6]))})" if isinstance(tree, dict) and tree else ""
        raise SkelError("bad_motion", f"{path.name} is in none of the layouts AMASS, SMPL, 4D-Humans, WHAM, GVHMR and TRAM{keys}.",
                        "Give a file with poses and trans, or one that such a program wrote.")  # fmt: skip
    if fps is not None:
        found = [replace(motion, fps=rate(fps), knows_rate=True) for motion in found]
    found = [replace(motion, up=up) if up is not None else _checked_up(motion) for motion in found]
    return sorted(found, key=lambda motion: -len(motion.frames))


def _people(tree: Tree, path: Path) -> list[SmplMotion]:
    """By the first layout that knows the file."""
    for layout in (_gvhmr, _tram, _wham, _phalp, _smpl_pickle, _amass):
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
    return [_motion("Person 1", "AMASS", path, rotations, trans, tree.get("betas"), model, tree, fps, "z", has_floor=True)]


def _smpl_pickle(tree: Tree, path: Path) -> list[SmplMotion]:
    if "smpl_poses" not in tree:
        return []
    rotations, model = rotations_of(numbers_of(tree, "smpl_poses", path), path)
    trans = numbers_of(tree, "smpl_trans", path)
    scale = float(np.ravel(tree.get("smpl_scaling", 1.0))[0])
    # AIST++ is at 60 frames a second and says its scale; what was made after its example without one runs at 30
    fps = rate_of(tree, "fps") or Fraction(60 if "smpl_scaling" in tree else 30)
    return [_motion("Person 1", "SMPL", path, rotations, trans / scale, tree.get("smpl_betas"), model, tree, fps, "y", has_floor=False)]


def _gvhmr(tree: Tree, path: Path) -> list[SmplMotion]:
    inner = first_of(tree, "smpl_params_global", "pred_smpl_params_global")
    if not isinstance(inner, dict):
        flat = {key.partition("/")[2]: value for key, value in tree.items() if str(key).startswith("smpl_params_global/")}
        inner = flat or None
    if inner is None:
        return []
    inner = {key: value[0] if np.ndim(value) == 3 and len(value) == 1 else value for key, value in inner.items()}
    rotations, _ = rotations_of_parts(inner, path)
    trans = numbers_of(inner, "transl", path)
    return [_motion("Person 1", "GVHMR", path, rotations, trans, inner.get("betas"), "smplx", inner, Fraction(30), "y", has_floor=False)]


def _wham(tree: Tree, path: Path) -> list[SmplMotion]:
    people = tree if any("pose_world" in person for person in tree.values() if isinstance(person, dict)) else {0: tree}
    found = []
    for person in people.values():
        if not isinstance(person, dict) or "pose_world" not in person:
            continue
        rotations, model = rotations_of(numbers_of(person, "pose_world", path), path)
        trans = numbers_of(person, "trans_world", path)
        found.append(_motion(f"Person {len(found) + 1}", "WHAM", path, rotations, trans, person.get("betas"), model, person, None, "y",
                             has_floor=False, frames=person.get("frame_ids")))  # fmt: skip
    return found


def _tram(tree: Tree, path: Path) -> list[SmplMotion]:
    if "pred_rotmat" not in tree:
        return []
    rotations, model = rotations_of(numbers_of(tree, "pred_rotmat", path), path)
    trans = numbers_of(tree, "pred_trans", path).reshape(len(rotations), 3)
    motion = _motion("Person 1", "TRAM", path, rotations, trans, tree.get("pred_shape"), model, tree, None, "-y",
                     has_floor=False, frames=tree.get("frame"))  # fmt: skip
    beside = next((folder / "camera.npy" for folder in path.resolve().parents[:2] if (folder / "camera.npy").is_file()), None)
    return [motion if beside is None else replace(motion, lens=_tram_lens(read_tree(beside), motion, beside))]


def _tram_lens(tree: Any, motion: SmplMotion, path: Path) -> Lens:
    """The moving camera that TRAM wrote beside its people."""
    if not isinstance(tree, dict) or "pred_cam_R" not in tree:
        raise SkelError("bad_motion", f"{path} has no pred_cam_R, as TRAM's camera has.", "Remove it to keep the camera's axes.")
    turns, places = nearest_rotations(numbers_of(tree, "pred_cam_R", path), path.name), numbers_of(tree, "pred_cam_T", path)
    if len(turns) <= motion.frames[-1] or places.shape != (len(turns), 3):
        raise SkelError("bad_motion", f"{path} has {len(turns)} frames, fewer than the motion.", "Use the files of one run.")
    cam_to_world = np.tile(np.eye(4), (len(motion.frames), 1, 1))
    cam_to_world[:, :3, :3], cam_to_world[:, :3, 3] = turns[motion.frames], places[motion.frames]
    focal, centre = (np.ravel(numbers_of(tree, name, path)) for name in ("img_focal", "img_center"))
    if focal.size != 1 or centre.size != 2 or not 0 < focal[0] < _MOST_PX or not 1 <= centre.min() <= centre.max() < _MOST_PX:
        raise SkelError("bad_motion", f"{path} has a lens that sees nothing.", "Remove it to keep the camera's axes.")
    K = np.array([[focal[0], 0, centre[0]], [0, focal[0], centre[1]], [0, 0, 1.0]])
    return Lens(K, (round(2 * centre[0]), round(2 * centre[1])), cam_to_world)


def _phalp(tree: Tree, path: Path) -> list[SmplMotion]:
    frames = [frame for frame in tree.values() if isinstance(frame, dict) and "smpl" in frame and "tid" in frame]
    if not frames:
        return []
    tracks: dict[int, list[tuple[int, Tree, np.ndarray]]] = {}
    size = (0, 0)
    for number, frame in enumerate(frames):
        time = int(frame.get("time", number))
        for k, track in enumerate(frame["tid"]):
            if not isinstance(frame["smpl"][k], dict):
                continue  # a ghost: the tracker knows of the person but did not see it
            tracks.setdefault(int(track), []).append((time, frame["smpl"][k], np.ravel(frame["camera"][k])))
            if "size" in frame:
                size = (int(frame["size"][k][1]), int(frame["size"][k][0]))
    found = []
    for seen in tracks.values():
        seen = list({time: (time, smpl, camera) for time, smpl, camera in sorted(seen, key=lambda row: row[0])}.values())
        matrices = np.stack([np.concatenate([np.reshape(smpl["global_orient"], (-1, 3, 3))[:1], np.reshape(smpl["body_pose"], (-1, 3, 3))])
                             for _, smpl, _ in seen])  # fmt: skip
        betas = np.stack([np.ravel(smpl.get("betas", np.zeros(10))) for _, smpl, _ in seen])
        rotations, model = rotations_of(matrices, path)
        places = np.stack([camera for *_, camera in seen])
        motion = _motion(f"Person {len(found) + 1}", "4D-Humans", path, rotations, places, betas, model, {}, None,
                         "-y", has_floor=False, frames=np.array([time for time, *_ in seen]))  # fmt: skip
        focal = _PHALP_FOCAL * max(size)
        K = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
        found.append(replace(motion, lens=Lens(K, size)) if max(size) > 0 else motion)
    return found


def _motion(name: str, layout: str, path: Path, rotations: np.ndarray, trans: Any, betas: Any, model: str, tree: Tree,
            fps: Fraction | None, up: str, has_floor: bool, frames: Any = None) -> SmplMotion:  # fmt: skip
    trans = np.asarray(trans, dtype=float)
    count = len(rotations)
    if trans.shape != (count, 3):
        raise SkelError("bad_motion", f"{path.name} has {count} poses, but its place is {trans.shape} numbers instead of {(count, 3)}.",
                        "Export the motion again.")  # fmt: skip
    if not np.isfinite(trans).all():
        raise SkelError("bad_motion", f"{path.name} has places that are no numbers.", "Export the motion again.")
    if np.abs(trans).max() > _FARTHEST_M:
        raise SkelError("bad_motion", f"{path.name} has places {np.abs(trans).max():.0f} m from its origin.", "Export it in metres.")
    numbers = np.arange(count) if frames is None else np.ravel(np.asarray(frames)).astype(int)
    if len(numbers) != count or np.any(np.diff(numbers) <= 0) or numbers[-1] - numbers[0] > _LONGEST:
        raise SkelError("bad_motion", f"{path.name} has {count} poses, but its frame numbers do not count up to as many.",
                        "Export the motion again.")  # fmt: skip
    betas = np.zeros(10) if betas is None else np.asarray(betas, dtype=float)
    betas = betas.reshape(-1, betas.shape[-1]).mean(axis=0) if betas.ndim > 1 else np.ravel(betas)
    if not np.isfinite(betas).all():
        raise SkelError("bad_motion", f"{path.name} has betas that are no numbers.", "Export the motion again.")
    gender = np.ravel(tree.get("gender", "neutral"))[0]
    gender = (gender.decode("latin1") if isinstance(gender, bytes) else str(gender)).lower()
    gender = next((known for known in ("female", "male") if gender.startswith(known[0]) or known == gender.strip("b'")), "neutral")
    numbers, rotations, trans, seen = bridged(numbers, rotations, trans)
    return SmplMotion(name, model, gender, fps or Fraction(30), numbers, rotations, trans, betas, seen, up, has_floor, layout,
                      knows_rate=fps is not None)  # fmt: skip


def _checked_up(motion: SmplMotion) -> SmplMotion:
    """The motion with another up axis, where most frames' trunks stand along that and hardly any along the layout's."""
    trunk = motion.rotations[:, 0, :, 1]
    share = {up: float((trunk @ axes[1] > _UPRIGHT).mean()) for up, axes in UP_AXES.items()}
    best: Callable[[str], float] = share.__getitem__
    likely = max(share, key=best)
    return replace(motion, up=likely) if share[likely] > 0.6 and share[motion.up] < 0.05 else motion
