# SPDX-License-Identifier: GPL-3.0-or-later
"""How near points in space come in: `./bin/benchmark keypoints [--write PAGE]`.

The small motion capture set's clips on the open body, whose keypoints are told with noise and gaps in a .trc as Pose2Sim writes it, are
imported; and a .trc that Pose2Sim made of four cameras, whose knees and ankles OpenSim solved from the same points on Pose2Sim's model.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.mocap import SMALL_SET, BodyMotion, read_clips, to_body
from bin.benchmarks.posing import where
from bin.evaluation.metrics import MM
from skel_blender import kinematics
from skel_blender.anatomy import DOF_INDEX
from skel_blender.engine.body import BodyModel, load_body
from skel_blender.engine.imports.importer import Options, import_motion
from skel_blender.engine.imports.point_names import known_points
from skel_blender.opensim.texts import trc
from skel_blender.take import Person

REAL = SMALL_SET.parent / "balancing.trc"
_PARTS = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "BigToe", "SmallToe", "Heel")
NAMES = (*(f"{side}{part}" for part in _PARTS for side in "RL"), "Nose", "Head")
HINGES = ("knee_angle_r", "knee_angle_l", "elbow_flexion_r", "elbow_flexion_l")
_NOISE_MM, _GAPS = (0, 10, 20), 0.05
_LONGEST = 120  # frames of a clip


def told(motion: BodyMotion, body: BodyModel, noise_m: float, gaps: float, rng: np.random.Generator) -> np.ndarray:
    """(T,K,3) m, y up: the keypoints NAMES of a motion with noise, NaN in gaps."""
    places = where(known_points(NAMES, "").points(body), body, motion.poses, motion.betas, motion.trans)
    places = places + noise_m * rng.normal(size=places.shape)
    places[rng.random(places.shape[:2]) < gaps] = np.nan
    return places


def write(path: Path, places: np.ndarray, fps: float) -> None:
    """A .trc of keypoints NAMES (T,K,3) m."""
    frames = np.arange(len(places))
    path.write_text(trc(path.name, Fraction(fps).limit_denominator(), frames + 1, frames / fps, list(NAMES), places).replace("nan", ""))


@dataclass(frozen=True)
class Miss:
    """How far a person is from a motion: joints (T,24) m, hinges (T,4) rad."""

    joints: np.ndarray
    hinges: np.ndarray


def miss(person: Person, motion: BodyMotion, body: BodyModel) -> Miss:
    """Of a person that was imported from the motion's keypoints; the floor may lie elsewhere."""
    rest = body.rest_body(motion.betas)
    wanted = kinematics.z_up(kinematics.forward(motion.poses, rest.joints, rest.frames, motion.trans)[..., :3, 3])
    off = person.joints() - wanted
    off[..., 2] -= np.median(off[..., 2])
    columns = [DOF_INDEX[name] for name in HINGES]
    return Miss(np.linalg.norm(off, axis=-1), np.abs(person.poses[:, columns] - motion.poses[:, columns]))


def real() -> tuple[Person, dict[str, np.ndarray]]:
    """The person of REAL, and by how much (T,) degrees each angle that OpenSim solved differs."""
    person = import_motion(Options(str(REAL))).people[0]
    with np.load(REAL.with_suffix(".npz")) as file:
        solved = dict(zip(map(str, file["names"]), np.degrees(file["angles"]).T))
    return person, {name: np.degrees(person.poses[:, DOF_INDEX[name]]) - angles for name, angles in solved.items()}


def main(argv: list[str]) -> int:
    """Print the tables."""
    parser = report.parser("keypoints", __doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their marks in this page")
    given = parser.parse_args(argv)
    body, rng = load_body("open", "male"), np.random.default_rng(0)
    motions = [to_body(clip.part(0, _LONGEST), body) for clip in read_clips(SMALL_SET)]
    lines = [report.head(("keypoints of motion capture", "joints off by mm: mean", "95 %", "knees and elbows off by degrees: mean"))]
    for noise, gaps in zip(_NOISE_MM, (0.0, _GAPS, _GAPS)):
        found = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "motion.trc"
            for motion in motions:
                write(path, told(motion, body, noise / MM, gaps, rng), motion.clip.fps)
                found.append(miss(import_motion(Options(str(path))).people[0], motion, body))
        joints, hinges = (np.concatenate([getattr(one, name) for one in found]) for name in ("joints", "hinges"))
        cells = [f"{MM * joints.mean():.0f}", f"{MM * np.quantile(joints, 0.95):.0f}", f"{np.degrees(hinges).mean():.1f}"]
        lines.append(report.row([f"{noise} mm of noise, {gaps:.0%} missing", *cells]))
    lines += ["", report.head(("four real cameras", "from OpenSim's angle, degrees: mean", "RMS"))]
    lines += [report.row([name, f"{off.mean():+.1f}", f"{np.sqrt((off**2).mean()):.1f}"]) for name, off in real()[1].items()]
    print("\n".join(lines))
    if given.write:
        report.write(given.write, "keypoints", "\n".join(lines))
    return 0
