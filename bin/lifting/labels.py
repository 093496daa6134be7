# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion capture as SKEL poses, the labels that the lifting network learns: carried to the open male body by our own solver.

Joint angles are body-specific through bone lengths alone, so one body's angles serve both. A clip's result is kept in a cache folder
under the hash of what it was made from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from bin.benchmarks.mocap import MocapClip, read_clips, to_body
from skel_blender.anatomy import DOF_INDEX, Q
from skel_blender.engine.body import load_body

QUALITIES = ("A", "A-", "B")
_BODY = "male"
_UPRIGHT, _LEAST = 30.0, 30  # degrees that a pelvis of somebody upright leans at most; frames of that which tell how a subject stands
_LUMBAR = -3.0  # degrees: the median of those subjects whose trunk is as long as the body's
_FAR = 10.0  # degrees off that are a subject's skeleton's, not his posture's


@dataclass(frozen=True)
class Labels:
    """Clips' motions end to end: poses (N,46) rad; clip i is rows starts[i]:starts[i+1]."""

    poses: np.ndarray
    starts: np.ndarray
    names: tuple[str, ...]
    subjects: tuple[str, ...]
    fps: float

    def clip(self, number: int) -> np.ndarray:
        """(T,46) rad."""
        return self.poses[self.starts[number] : self.starts[number + 1]]

    def part(self, wanted: Callable[[str], bool]) -> Labels:
        """The clips of some subjects."""
        kept = [k for k, subject in enumerate(self.subjects) if wanted(subject)]
        return _joined([self.clip(k) for k in kept], [self.names[k] for k in kept], [self.subjects[k] for k in kept], self.fps)


def data_hash(files: list[Path]) -> str:
    """SHA-256 of the files' names and bytes, in order of their names."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda one: one.name):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def mocap_files(folder: Path, split: str) -> list[Path]:
    """The files of a split below a folder, or the folder itself if it is one file of it."""
    found = [folder] if folder.is_file() else sorted(folder.rglob("subject_*.npz"))
    chosen = []
    for file in found:
        with np.load(file, allow_pickle=False) as data:
            if str(data["split"]) == split:
                chosen.append(file)
    if not chosen:
        raise SystemExit(f"There is no motion capture of the split '{split}' in {folder}.")
    return chosen


def labels(files: list[Path], cache: Path, qualities: tuple[str, ...] = QUALITIES, longest: int | None = None,
           processes: int = 1) -> Labels:  # fmt: skip
    """The clips of these files as poses; `longest` cuts clips. What the cache has is not made again."""
    cache.mkdir(parents=True, exist_ok=True)
    clips = [clip for file in files for quality in qualities for clip in read_clips(file, split=None, quality=quality)]
    clips = [clip.part(0, longest) for clip in clips] if longest else clips
    work = partial(_converted, cache=cache)
    if processes > 1:
        with get_context("spawn").Pool(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            poses = list(pool.imap(work, clips))
    else:
        poses = [work(clip) for clip in clips]
    whose = [clip.subject for clip in clips]
    for subject in set(whose):
        own = [k for k, other in enumerate(whose) if other == subject]
        for k, pose in zip(own, level([poses[k] for k in own])):
            poses[k] = pose
    return _joined(poses, [clip.name for clip in clips], whose, clips[0].fps)


def level(poses: list[np.ndarray]) -> list[np.ndarray]:
    """A subject's clips, each (T,46) rad, with the bend in the loins that all of them have taken out of loins, pelvis and hips, so that
    trunk and legs stay as they are. Where a skeleton's trunk is shorter than the body's, shoulders and hips of the body meet it bent."""
    tilt, lean, loins = (DOF_INDEX[name] for name in ("pelvis_tilt", "pelvis_list", "lumbar_extension"))
    every = np.degrees(np.concatenate(poses))
    upright = (np.abs(every[:, [tilt, lean]]) < _UPRIGHT).all(1)
    off = np.median(every[upright, loins]) - _LUMBAR if upright.sum() >= _LEAST else 0.0
    if abs(off) < _FAR:
        return poses
    change = np.zeros(Q, np.float32)
    change[loins], change[tilt] = -np.radians(off), np.radians(off)
    change[[DOF_INDEX["hip_flexion_r"], DOF_INDEX["hip_flexion_l"]]] = -np.radians(off)
    return [pose + change for pose in poses]


def _joined(poses: list[np.ndarray], names: list[str], subjects: list[str], fps: float) -> Labels:
    starts = np.concatenate([[0], np.cumsum([len(one) for one in poses])]).astype(int)
    return Labels(np.concatenate(poses), starts, tuple(names), tuple(subjects), fps)


def _converted(clip: MocapClip, cache: Path) -> np.ndarray:
    """(T,46) rad float32."""
    digest = hashlib.sha256(clip.rotations.tobytes() + clip.offsets.tobytes() + clip.root.tobytes()).hexdigest()
    path = cache / f"{digest[:32]}.npy"
    if not path.exists():
        poses = to_body(clip, load_body("open", _BODY)).poses.astype(np.float32)
        part = path.with_suffix(".part.npy")
        np.save(part, poses)
        part.replace(path)
    return np.load(path, allow_pickle=False)
