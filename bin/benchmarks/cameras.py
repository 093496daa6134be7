# SPDX-License-Identifier: GPL-3.0-or-later
"""One camera against four: `./bin/benchmark cameras FOOTAGE_DIR [TRUTH.npz]`.

FOOTAGE_DIR holds cam01.mp4 .. cam04.mp4 of one man and the Qualisys calibration Calib.qca.txt, at any depth: Demo_SinglePerson of Pose2Sim,
for one (BSD-3-Clause; `pip download --no-deps pose2sim==0.10.49`, unzip, Pose2Sim/Demo_SinglePerson). The reference is what all
four cameras together see: the landmarks that this engine's own landmarker finds, triangulated. TRUTH.npz is a second opinion: joint
centres `body_pos` (T,B,3) m of an OpenSim model (`body_names`; x forward, y up, z right) in the same frames. Demo_MultiPerson is
footage of two: `--person 2` scores the other one.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np

from bin.benchmarks import report
from bin.benchmarks.multiview import LIMB_HIPS, CalibratedCamera, read_qualisys, reference, same_person
from bin.benchmarks.posing import markers_of
from bin.evaluation import metrics
from skel_blender import environment
from skel_blender.anatomy import JOINT_INDEX
from skel_blender.engine.blazepose import LIMBS
from skel_blender.engine.fit.keypoint_sets import BLAZEPOSE
from skel_blender.engine.footage.video import open_source
from skel_blender.engine.people.tracker import find_people
from skel_blender.engine.people.tracks import Track
from skel_blender.engine.pipeline import Options, reconstruct
from skel_blender.engine.regress.correction import corrected
from skel_blender.kinematics import z_up
from skel_blender.take import Person, Take

_BODIES = ("humerus", "ulna", "hand", "femur", "tibia", "talus")  # shoulders, elbows, wrists, hips, knees, ankles; left before right
_HANDS = ((15, 19, 17), (16, 20, 18))  # wrist and knuckles of index and pinky
LEGS = ((23, 25, 27), (24, 26, 28))  # hip, knee, ankle
_HEADER = ("camera", "MPJPE mm", "PA-MPJPE mm", "acceleration mm/frame2", "of the reference", "up is off by deg", "palms by deg",
           "knees more bent by deg")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What one camera reaches; up, palms and knees in degrees, NaN where nothing tells."""

    mpjpe: float
    pa_mpjpe: float
    acceleration: float
    reference_acceleration: float
    up: float
    palms: float = float("nan")
    knees: float = float("nan")


def compare(found: np.ndarray, truth: np.ndarray, up: float = float("nan")) -> Row:
    """Limb points (T,12,3) m in camera axes against the reference's. Accelerations are relative to the hips, as BlazePose's 3D is."""
    still = [metrics.acceleration(metrics.centred(points, LIMB_HIPS)) for points in (found, truth)]
    return Row(metrics.mpjpe(found, truth, LIMB_HIPS), metrics.pa_mpjpe(found, truth), *still, up)


def angles_off(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """A row's palms and knees of landmarks (T,33,3) against the truth's, in the same axes."""
    return {"palms": palms_off(found, truth), "knees": knees_off(found, truth)}


def palms_off(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean angle in degrees by which both palms of landmarks (T,33,3) are turned from those of the truth (T,33,3), in the same axes."""
    cosines = (np.einsum("tij,tij->t", *(_palms(points[:, hand]) for points in (found, truth))) for hand in _HANDS)
    return float(np.nanmean([np.degrees(np.arccos(np.clip((cosine - 1) / 2, -1, 1))) for cosine in cosines]))


def knees_off(found: np.ndarray, truth: np.ndarray) -> float:
    """Degrees by which the knees of landmarks (T,33,3) are more bent than those of the truth (T,33,3): the median over frames and legs."""
    return float(np.nanmedian([bend(found[:, leg]) - bend(truth[:, leg]) for leg in LEGS]))


def bend(leg: np.ndarray) -> np.ndarray:
    """(T,) degrees between thigh and shank of hip, knee and ankle (T,3,3)."""
    return np.array([metrics.angle_between(knee - hip, ankle - knee) for hip, knee, ankle in leg])


def _palms(hand: np.ndarray) -> np.ndarray:
    """(T,3,3) axes of wrist and two knuckles (T,3,3): to the middle between the knuckles, out of the palm, and across it."""
    wrist, index, pinky = np.moveaxis(hand, 1, 0)
    along, out = 0.5 * (index + pinky) - wrist, np.cross(index - wrist, pinky - wrist)
    along, out = (axis / np.linalg.norm(axis, axis=1, keepdims=True) for axis in (along, out))
    return np.stack([along, out, np.cross(along, out)], 1)


def find_footage(folder: Path) -> tuple[list[Path], list[CalibratedCamera]]:
    """The videos and their cameras, in order."""
    videos, calibrations = sorted(folder.rglob("cam0[1-4].mp4")), sorted(folder.rglob("Calib*.qca.txt"))
    if not calibrations:
        raise SystemExit(f"{folder} holds no calibration (Calib.qca.txt).")
    cameras = read_qualisys(calibrations[0])
    if [video.stem for video in videos] != [camera.name for camera in cameras]:
        raise SystemExit(f"{folder} does not hold the videos that its calibration names.")
    return videos, cameras


def person_of(take: Take, track: Track) -> Person:
    """The person of a Take who was fitted to a track."""
    same = [person for person in take.people if np.array_equal(person.keypoints_2d, track.keypoints_2d)]
    if not same:
        raise SystemExit(f"Nobody in {Path(take.source).name} was fitted to the person that the other cameras see.")
    return same[0]


def score(take: Take, person: Person, camera: CalibratedCamera, frames: np.ndarray, points: np.ndarray,
          joints: np.ndarray | None) -> tuple[Row, Row | None]:  # fmt: skip
    """Of one camera: limbs, as BlazePose sees them, against points (T,33,3) of the world, and joint centres against `joints` (T,12,3)."""
    rows = frames - person.frames[0]
    world_to_cam = take.camera.world_to_cam[frames - take.frames[0]]

    def seen(world: np.ndarray) -> np.ndarray:
        return np.einsum("tij,tkj->tki", world_to_cam[:, :3, :3], world[rows]) + world_to_cam[:, None, :3, 3]

    up = metrics.angle_between(world_to_cam[0, :3, 2], camera.R[:, 2])
    markers, reference = seen(z_up(markers_of(person))), points @ camera.R.T + camera.t
    limbs = (BLAZEPOSE @ markers)[:, LIMBS]
    fitted = replace(compare(limbs, reference[:, LIMBS], up), **angles_off(markers, reference))
    if joints is None:
        return fitted, None
    own = [JOINT_INDEX[f"{body}_{side}"] for body in _BODIES for side in "lr"]
    return fitted, compare(seen(person.joints()[:, own]), joints[frames] @ camera.R.T + camera.t, up)


def score_landmarks(landmarks: np.ndarray, track: Track, camera: CalibratedCamera, frames: np.ndarray, points: np.ndarray) -> Row:
    """Metric landmarks (T,33,3) of a track's frames, as they are, against points (T,33,3) of the world."""
    own, reference = landmarks[frames - track.frames[0]].astype(float), points @ camera.R.T + camera.t
    return replace(compare(own[:, LIMBS], reference[:, LIMBS]), **angles_off(own, reference))


def read_truth(path: Path) -> np.ndarray:
    """(T,12,3) m, joint centres in the calibration's world (z up)."""
    with np.load(path) as file:
        names, positions = [str(name) for name in file["body_names"]], file["body_pos"]
    return positions[:, [names.index(f"{body}_{side}") for body in _BODIES for side in "lr"]][..., [2, 0, 1]]


def table(title: str, rows: dict[str, Row]) -> str:
    """Markdown with a line for each camera and one for their mean."""
    values = {name: list(astuple(row)) for name, row in rows.items()}
    values["mean"] = np.mean(list(values.values()), axis=0).tolist()
    lines = [f"**{title}**", "", report.head(_HEADER)]
    for name, numbers in values.items():
        lines.append(report.row([name, *("" if np.isnan(number) else f"{number:.1f}" for number in numbers)]))
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """Reconstruct from each camera alone, with the lens known and with the default one, and print the tables."""
    parser = report.parser("cameras", __doc__)
    parser.add_argument("footage", type=Path, help="folder of the four videos and their calibration")
    parser.add_argument("truth", nargs="?", type=Path, help="npz of OpenSim joint centres")
    parser.add_argument("--body", default="male")
    parser.add_argument("--person", type=int, default=1, metavar="N", help="the N-th person by prominence in the first camera")
    parser.add_argument("--stature", type=float, metavar="M", help="how tall he is (about 1.72), to be told to the fit")
    arguments = parser.parse_args(argv)
    videos, cameras = find_footage(arguments.footage)
    model = environment.landmark_model(environment.default_root())
    found = [find_people(open_source([video], (None, None), lambda event: None), model, None) for video in videos]
    for _ in range(arguments.person):
        tracks = same_person(found, cameras)
        found = [[one for one in people if one is not track] for people, track in zip(found, tracks)]
    frames, points, residual = reference(tracks, cameras)
    off = ", ".join(f"{value:.1f}" for value in np.nanmedian(residual[:, :, LIMBS], axis=(1, 2)))
    print(f"Reference: {len(frames)} frames; the views disagree with it by {off} px (median).\n")
    for title, change in (("The landmarker's metric 3D", lambda landmarks: landmarks), ("The same, corrected", corrected)):
        rows = {camera.name: score_landmarks(change(track.landmarks_3d), track, camera, frames, points)
                for track, camera in zip(tracks, cameras)}  # fmt: skip
        print(table(title, rows), flush=True)
    joints = read_truth(arguments.truth) if arguments.truth else None
    for lens, known in (("focal length known", True), ("focal length not known", False)):
        scores = {}
        for video, track, camera in zip(videos, tracks, cameras):
            focal = float(camera.K[0, 0]) if known else None
            stature = (arguments.stature,) if arguments.stature else ()
            take = reconstruct(Options((str(video),), str(model), body=(arguments.body,), focal_length=focal, stature=stature))
            scores[camera.name] = score(take, person_of(take, track), camera, frames, points, joints)
        print(table(f"Reconstructed, {lens}", {name: fitted for name, (fitted, _) in scores.items()}), flush=True)
        if joints is not None:
            centres = {name: centre for name, (_, centre) in scores.items()}
            print(table(f"Reconstructed, {lens}: joint centres against {arguments.truth.name}", centres), flush=True)
    return 0
