# SPDX-License-Identifier: GPL-3.0-or-later
"""Packed motion capture, and the same motions on the open body: `./bin/benchmark mocap [MOCAP_DIR] [--sex male|female]`.

MOCAP_DIR holds `subject_NNN.npz` (its test split of quality A is taken); the default is the small set of tests/data. The layout: all
clips' frames end to end, clip i in rows clip_start[i] to clip_start[i+1]; joint positions follow from `root_pos` (N,3) m, `local_quat`
(N,23,4) w x y z relative to the parent, and each clip's `offsets` (23,3) m. World: y up, floor at y = 0; joint axes x left, y up,
z forward, all rotations identity = T pose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from bin.benchmarks import report
from bin.benchmarks.posing import posed
from bin.evaluation import metrics
from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.body.points import joints_as_points
from skel_blender.engine.body.stance import prior_spread, relaxed_pose
from skel_blender.engine.fit import Config, Observations, Weights, skelify
from skel_blender.engine.regress.lift.arms import arm_angles
from skel_blender.kinematics import pelvis_angles

SMALL_SET = Path(__file__).resolve().parents[2] / "tests" / "data" / "mocap_test.npz"
# Which of SKEL's joints lies where a mocap joint does, and how much its place is worth: the trunk's joints are drawn by other rules.
PAIRS = {
    "hip": ("femur", 1.0), "knee": ("tibia", 1.0), "ankle": ("talus", 1.0), "toe": ("toes", 0.3),
    "shoulder": ("humerus", 1.0), "elbow": ("ulna", 1.0), "wrist": ("hand", 1.0),
}  # fmt: skip
# Hardly any smoothing: just enough that neighbours do not take different branches of the same posture.
_WEIGHTS = Weights(angle_rate=np.inf, angle_acceleration=250.0, angle_leap=np.inf, travel_rate=np.inf,
                   travel_acceleration=np.inf, shape=0.7, target_m=0.01)  # fmt: skip
_SPREAD = {"pro_sup": 0.2, "wrist": 0.1, "subtalar": 0.1, "mtp": 0.1, "head": 0.2}  # rad, what mocap's joint centres do not tell
_STEPS = 60
_COLUMNS = ("clip", "motion", "frames", "joints off by mm: mean", "95 %", "largest", "beyond limits: frames", "at a limit: DoFs")


@dataclass(frozen=True)
class MocapClip:
    """One motion: rotations (T,23,3,3) relative to the parents, of `joints`; root (T,3) m; offsets (23,3) m."""

    name: str
    subject: str
    category: str
    description: str
    fps: float
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    root: np.ndarray
    rotations: np.ndarray

    def forward(self) -> tuple[np.ndarray, np.ndarray]:
        """World rotations (T,23,3,3) and positions (T,23,3) m of the joints."""
        turned, places = np.empty_like(self.rotations), np.empty((len(self.root), len(self.joints), 3))
        turned[:, 0], places[:, 0] = self.rotations[:, 0], self.root
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                turned[:, joint] = turned[:, parent] @ self.rotations[:, joint]
                places[:, joint] = places[:, parent] + turned[:, parent] @ self.offsets[joint]
        return turned, places

    def part(self, first: int, end: int) -> MocapClip:
        """Frames `first` to `end` - 1."""
        return replace(self, root=self.root[first:end], rotations=self.rotations[first:end])


@dataclass(frozen=True)
class BodyMotion:
    """A motion of a body model: poses (T,46) rad, betas (10,), trans (T,3) m, floor at y = 0; `distance` (T,M) m of its joints from
    the mocap's."""

    clip: MocapClip
    poses: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    distance: np.ndarray


def rotations_of(quaternions: np.ndarray) -> np.ndarray:
    """(...,4) w x y z of any length -> (...,3,3)."""
    return Rotation.from_quat(np.reshape(quaternions, (-1, 4)), scalar_first=True).as_matrix().reshape(*np.shape(quaternions)[:-1], 3, 3)


def read_clips(path: Path, split: str | None = "test", quality: str = "A") -> list[MocapClip]:
    """The clips of a file or of a folder's `subject_*.npz`."""
    files = sorted(path.glob("subject_*.npz")) if path.is_dir() else [path]
    if not files:
        raise SystemExit(f"There is no motion capture in {path}.")
    clips = []
    for file in files:
        with np.load(file, allow_pickle=False) as data:
            if split is not None and str(data["split"]) != split:
                continue
            arrays = {name: data[name] for name in data.files}
        subjects = arrays.get("clip_subject", np.repeat(arrays["subject"], len(arrays["clip_names"])))
        for k, name in enumerate(arrays["clip_names"]):
            if str(arrays["clip_quality"][k]) != quality:
                continue
            rows = slice(arrays["clip_start"][k], arrays["clip_start"][k + 1])
            clips.append(MocapClip(
                str(name), str(subjects[k]), str(arrays["clip_category"][k]), str(arrays["clip_descriptions"][k]), float(arrays["fps"]),
                tuple(map(str, arrays["joint_names"])), tuple(map(int, arrays["parents"])), arrays["offsets"][k].astype(float),
                arrays["root_pos"][rows].astype(float), rotations_of(arrays["local_quat"][rows]),
            ))  # fmt: skip
    return clips


def to_body(clip: MocapClip, body: BodyModel) -> BodyMotion:
    """The motion of `body` whose limb joints go where the mocap's do, inside the joint limits, standing on the floor y = 0.

    A least-squares fit without smoothing, of all frames and one shape. What mocap does not tell (shoulder blades, the spine's
    share in a bend, hands) stays near the relaxed stance.
    """
    world, places = clip.forward()
    sided = [(f"{side}_{own}", f"{joint}_{side}", weight) for own, (joint, weight) in PAIRS.items() for side in "lr"]
    wanted = places[:, [clip.joints.index(own) for own, _, _ in sided]]
    like = body.J_template
    points = joints_as_points(body.J_template, body.J_shapedirs).select([JOINT_INDEX[joint] for _, joint, _ in sided])
    observations = Observations(
        fps=clip.fps, lengths=(len(wanted),), targets=torch.as_tensor(wanted).to(like), target_points=points,
        target_weight=torch.tensor([weight for _, _, weight in sided]).to(like).expand(len(wanted), -1).clone(),
        prior_poses=torch.as_tensor(relaxed_pose()).to(like).expand(len(wanted), -1),
        prior_sigma=torch.as_tensor(_spread()).to(like).expand(len(wanted), -1),
    )  # fmt: skip
    found = skelify(body, observations, _start(clip, body, world, places), Config(weights=_WEIGHTS, iterations=_STEPS))
    poses, betas, trans = (part.cpu().numpy() for part in (found.poses, found.betas[0], found.trans))
    joints = body.joints(found.poses, found.betas, found.trans).cpu().numpy()[:, [JOINT_INDEX[joint] for _, joint, _ in sided]]
    lowest = posed(body, poses, betas, trans)[1][..., 1].min(axis=1)
    trans = trans - [0.0, float(np.quantile(lowest, 0.1)), 0.0]
    return BodyMotion(clip, poses, betas, trans, np.linalg.norm(joints - wanted, axis=-1))


def _spread() -> np.ndarray:
    """(46,) rad."""
    spread = prior_spread()
    for name, index in DOF_INDEX.items():
        spread[index] = next((value for prefix, value in _SPREAD.items() if name.startswith(prefix)), spread[index])
    return spread


def _start(clip: MocapClip, body: BodyModel, world: np.ndarray, places: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The pelvis and the upper arms as they are turned, knees and elbows as they are bent, the rest relaxed."""
    like, count = body.J_template, len(world)
    number = clip.joints.index
    poses = np.tile(relaxed_pose(), (count, 1))
    frames = body.shape(like.new_zeros(1, body.J_shapedirs.shape[-1])).frames[0].cpu().numpy()
    poses[:, :3] = pelvis_angles(frames[0].T @ world[:, 0] @ frames[0])
    for side in "lr":
        frame = frames[JOINT_INDEX[f"humerus_{side}"]]
        in_thorax = np.swapaxes(world[:, number("spine3")], 1, 2) @ world[:, number(f"{side}_shoulder")]
        arm = slice(DOF_INDEX[f"shoulder_{side}_x"], DOF_INDEX[f"shoulder_{side}_z"] + 1)
        poses[:, arm] = arm_angles(frame.T @ in_thorax @ frame, body.limits[arm].cpu().numpy())
        bends = {"knee_angle": ("hip", "knee", "ankle"), "elbow_flexion": ("shoulder", "elbow", "wrist")}
        for dof, chain in bends.items():
            a, b, c = (places[:, number(f"{side}_{name}")] for name in chain)
            cosine = ((b - a) * (c - b)).sum(-1) / np.linalg.norm(b - a, axis=-1) / np.linalg.norm(c - b, axis=-1)
            poses[:, DOF_INDEX[f"{dof}_{side}"]] = np.arccos(np.clip(cosine, -1, 1))
    rest = body.J_template.cpu().numpy()
    hips = [JOINT_INDEX["femur_l"], JOINT_INDEX["femur_r"]]
    middle = places[:, [number("l_hip"), number("r_hip")]].mean(1)
    trans = middle - rest[0] - world[:, 0] @ (rest[hips].mean(0) - rest[0])
    return torch.as_tensor(poses).to(like), like.new_zeros(1, body.J_shapedirs.shape[-1]), torch.as_tensor(trans).to(like)


def main(argv: list[str]) -> int:
    """Convert the clips and print how near they come, as a markdown table."""
    parser = report.parser("mocap", __doc__)
    parser.add_argument("mocap", nargs="?", type=Path, default=SMALL_SET)
    parser.add_argument("--sex", default="male")
    parser.add_argument("--longest", type=int, default=600, help="frames of a clip that are converted")
    arguments = parser.parse_args(argv)
    body = load_body("open", arguments.sex)
    limits = body.limits.cpu().numpy()
    print(report.head(_COLUMNS))
    for clip in read_clips(arguments.mocap):
        motion = to_body(clip.part(0, arguments.longest), body)
        off = motion.distance * metrics.MM
        at_limit = ((motion.poses <= limits[:, 0] + 1e-6) | (motion.poses >= limits[:, 1] - 1e-6)).mean()
        beyond = metrics.limit_violations(motion.poses, limits)[0]
        print(report.row([clip.name, clip.description, len(off), f"{off.mean():.0f}", f"{np.quantile(off, 0.95):.0f}", f"{off.max():.0f}",
                          f"{beyond:.0%}", f"{at_limit:.1%}"]), flush=True)  # fmt: skip
    return 0
