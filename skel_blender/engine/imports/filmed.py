# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts of motion files that tell of the camera too, and so of everybody in one place; formats.py lists them."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...messages import SkelError
from ..unpickle import read_bytes, reading
from .containers import read_tree
from .entries import Tree, first_of, motion_of, numbers_of, rotations_of, rotations_of_parts
from .motion import Lens, SmplMotion, nearest_rotations

_PHALP_FOCAL = 5000 / 256  # PHALP's focal length in units of the image's longer side
_MOST_PX = 1e6  # focal length and image of a lens that can be


def tram(tree: Tree, path: Path) -> list[SmplMotion]:
    """TRAM's one person, in the axes of the moving camera that may lie beside the file."""
    if "pred_rotmat" not in tree:
        return []
    rotations, model = rotations_of(numbers_of(tree, "pred_rotmat", path), path)
    trans = numbers_of(tree, "pred_trans", path).reshape(len(rotations), 3)
    motion = motion_of("Person 1", "TRAM", path, rotations, trans, tree.get("pred_shape"), model, tree, None, "-y",
                       has_floor=False, frames=tree.get("frame"))  # fmt: skip
    beside = _beside(path, "camera.npy")
    return [motion if beside is None else replace(motion, lens=_tram_lens(read_tree(beside), motion, beside))]


def _tram_lens(tree: Any, motion: SmplMotion, path: Path) -> Lens:
    """The moving camera that TRAM wrote beside its people."""
    if not isinstance(tree, dict) or "pred_cam_R" not in tree:
        raise SkelError("bad_motion", f"{path} has no pred_cam_R, as TRAM's camera has.", "Remove it to keep the camera's axes.")
    turns, places = nearest_rotations(numbers_of(tree, "pred_cam_R", path), path.name), numbers_of(tree, "pred_cam_T", path)
    if len(turns) <= motion.frames[-1] or places.shape != (len(turns), 3):
        raise SkelError("bad_motion", f"{path} has {len(turns)} frames, fewer than the motion.", "Use the files of one run.")
    focal, centre = (np.ravel(numbers_of(tree, name, path)) for name in ("img_focal", "img_center"))
    lens = _lens(np.repeat(focal, 2), centre, f"{path}", "Remove it to keep the camera's axes.")
    return replace(lens, cam_to_world=_transforms(turns, places))


def gvhmr(tree: Tree, path: Path) -> list[SmplMotion]:
    """GVHMR's one person in its world, and through the lens and from where the camera saw the same."""
    inner = _gvhmr_params(tree, "smpl_params_global")
    if inner is None:
        return []
    rotations, _ = rotations_of_parts(inner, path)
    trans = numbers_of(inner, "transl", path)
    motion = motion_of("Person 1", "GVHMR", path, rotations, trans, inner.get("betas"), "smplx", inner, Fraction(30), "y", has_floor=False)
    seen = _gvhmr_params(tree, "smpl_params_incam")
    if seen is None or "K_fullimg" not in tree:
        return [motion]
    K = numbers_of(tree, "K_fullimg", path).reshape(-1, 3, 3)[0]
    turns, places = rotations_of_parts(seen, path)[0][:, 0], numbers_of(seen, "transl", path)
    if turns.shape != (len(trans), 3, 3) or places.shape != trans.shape:
        raise SkelError("bad_motion", f"{path.name} has {len(trans)} frames in the world, but not as many in the camera's axes.",
                        "Export it again.")  # fmt: skip
    lens = _lens(K[[0, 1], [0, 1]], K[:2, 2], path.name, "Export it again.")
    return [replace(motion, lens=replace(lens, root_in_camera=_transforms(turns, places), people_in_world=True))]


def _gvhmr_params(tree: Tree, name: str) -> Tree | None:
    """What GVHMR has under a name, as a dict or with paths as names, less the axis of a batch of one."""
    inner = first_of(tree, name, f"pred_{name}")
    if not isinstance(inner, dict):
        inner = {key.partition("/")[2]: value for key, value in tree.items() if str(key).startswith(f"{name}/")}
    return {key: value[0] if np.ndim(value) == 3 and len(value) == 1 else value for key, value in inner.items()} or None


def phalp(tree: Tree, path: Path) -> list[SmplMotion]:
    """Everybody whom 4D-Humans followed, in the camera's axes."""
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
        motion = motion_of(f"Person {len(found) + 1}", "4D-Humans", path, rotations, places, betas, model, {}, None,
                           "-y", has_floor=False, frames=np.array([time for time, *_ in seen]))  # fmt: skip
        focal = _PHALP_FOCAL * max(size)
        K = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
        found.append(replace(motion, lens=Lens(K, size)) if max(size) > 0 else motion)
    return found


def slahmr(tree: Tree, path: Path) -> list[SmplMotion]:
    """Everybody whom SLAHMR followed, in the axes of its first camera; who is seen when is told by the track_info.json of its run."""
    if not {"root_orient", "pose_body", "trans", "cam_R", "intrins"} <= set(tree) or np.ndim(tree["pose_body"]) != 3:
        return []
    roots, bodies, places = (numbers_of(tree, key, path) for key in ("root_orient", "pose_body", "trans"))
    people, count = roots.shape[:2]
    betas = numbers_of(tree, "betas", path).reshape(people, -1) if "betas" in tree else np.zeros((people, 10))
    turns, way = (numbers_of(tree, key, path)[0] for key in ("cam_R", "cam_t"))  # of each person, all the same
    focal, centre = np.split(np.ravel(numbers_of(tree, "intrins", path))[:4], 2)
    lens, found = _filming(turns, way, focal, centre, path, count), []
    tracked = np.asarray(tree.get("track_mask", True)).astype(bool)  # zeros stand where a track has not begun or is over
    for k, seen in enumerate(tracked & _slahmr_seen(path, people, count)):
        own = np.arange(seen.argmax(), count - seen[::-1].argmax())
        if seen.any():
            rotations, _ = rotations_of(np.concatenate([roots[k, own], bodies[k, own]], axis=1), path)
            motion = motion_of(f"Person {k + 1}", "SLAHMR", path, rotations, places[k, own], betas[k], "smplh", {}, None, "-y",
                               has_floor=False, frames=own)  # fmt: skip
            found.append(replace(motion, seen=seen[own], lens=lens))
    return found


def _slahmr_seen(path: Path, people: int, count: int) -> np.ndarray:
    """(people,count) bool: who was seen in which frame; without its file everybody always."""
    beside = _beside(path, "track_info.json")
    if beside is None:
        return np.ones((people, count), dtype=bool)
    with reading(beside, "SLAHMR's list of tracks", "is damaged"):
        told = json.loads(read_bytes(beside, "SLAHMR's list of tracks"))
        first, last = told["meta"]["seq_interval"]
        tracks = sorted(told["tracks"].values(), key=lambda track: track["index"])
        seen = np.array([track["vis_mask"][first:last] for track in tracks], dtype=bool)
    if seen.ndim != 2 or len(seen) != people or seen.shape[1] < count:  # a run's early results end sooner
        raise SkelError("bad_motion", f"{beside} has {' x '.join(map(str, seen.shape))} people and frames, {path.name} has {people} x "
                        f"{count}.", "Use the files of one run.")  # fmt: skip
    return seen[:, :count]


def threedpw(tree: Tree, path: Path) -> list[SmplMotion]:
    """The one or two people of a sequence of 3DPW, in its world, and the camera that went along."""
    if not {"poses", "trans", "betas", "genders", "cam_poses"} <= set(tree):
        return []
    found = []
    for poses, trans, betas, gender in zip(*(tree[key] for key in ("poses", "trans", "betas", "genders")), strict=True):
        rotations, model = rotations_of(numbers_of({"poses": poses}, "poses", path), path)
        found.append(motion_of(f"Person {len(found) + 1}", "3DPW", path, rotations, trans, betas, model, {"gender": gender}, Fraction(30),
                               "y", has_floor=False))  # fmt: skip
    cameras, K = numbers_of(tree, "cam_poses", path), numbers_of(tree, "cam_intrinsics", path)
    lens = _filming(cameras[:, :3, :3], cameras[:, :3, 3], K[[0, 1], [0, 1]], K[:2, 2], path, max(len(motion.frames) for motion in found))
    return [replace(motion, lens=lens) for motion in found]


def _filming(turns: np.ndarray, places: np.ndarray, focal: np.ndarray, centre: np.ndarray, path: Path, count: int) -> Lens:
    """The lens of people who are told in the world that a moving camera sees: world to camera (N,3,3) and (N,3) m."""
    if turns.shape != (len(turns), 3, 3) or places.shape != (len(turns), 3) or len(turns) < count:
        raise SkelError("bad_motion", f"{path.name} has {count} frames of people, but not as many of the camera.", "Export it again.")
    turns = nearest_rotations(turns, path.name).transpose(0, 2, 1)
    lens = _lens(focal, centre, path.name, "Export it again.")
    return replace(lens, cam_to_world=_transforms(turns, -(turns @ places[..., None])[..., 0]), people_in_world=True)


def _lens(focal: np.ndarray, centre: np.ndarray, name: str, todo: str) -> Lens:
    """Of focal lengths (2,) px and the middle of the image (2,) px."""
    fits = focal.shape == centre.shape == (2,) and 0 < focal.min() <= focal.max() < _MOST_PX
    if not fits or not 1 <= centre.min() <= centre.max() < _MOST_PX:
        raise SkelError("bad_motion", f"{name} has an invalid lens.", todo)
    K = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1.0]])
    return Lens(K, (round(2 * centre[0]), round(2 * centre[1])))


def _transforms(turns: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N,4,4) of turns (N,3,3) and places (N,3)."""
    transforms = np.tile(np.eye(4), (len(turns), 1, 1))
    transforms[:, :3, :3], transforms[:, :3, 3] = turns, places
    return transforms


def _beside(path: Path, name: str) -> Path | None:
    """A file in the folder of a path or one folder up."""
    return next((folder / name for folder in path.resolve().parents[:2] if (folder / name).is_file()), None)
