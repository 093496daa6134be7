# SPDX-License-Identifier: GPL-3.0-or-later
"""How near the whole program comes to the truth: what a landmarker sees goes in, and people come out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from bin.benchmarks.posing import markers_of  # noqa: E402
from bin.benchmarks.renders import picture  # noqa: E402
from bin.evaluation import metrics  # noqa: E402
from skel_blender.anatomy import JOINT_INDEX  # noqa: E402
from skel_blender.engine import pipeline  # noqa: E402
from skel_blender.engine.blazepose import HIPS, LIMBS  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.engine.pipeline import Options, reconstruct  # noqa: E402
from skel_blender.engine.regress.correction import corrected  # noqa: E402
from skel_blender.kinematics import z_up  # noqa: E402
from skel_blender.take import Take  # noqa: E402
from tests import walk  # noqa: E402
from tests.engine import squatting  # noqa: E402


def as_blazepose_says(landmarks: np.ndarray) -> np.ndarray:
    """Metric landmarks (T,33,3) with what BlazePose always gets wrong: those that become `landmarks` once that is taken out."""
    wanted = landmarks - landmarks[:, HIPS].mean(1, keepdims=True)
    said = wanted
    for _ in range(500):
        said = said - 0.5 * (corrected(said) - wanted)
    assert np.abs(corrected(said) - wanted).max() < 1e-3
    return said


def in_camera(take: Take, points: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Points (T,K,3) m of the Take's world in the axes of its camera."""
    world_to_cam = take.camera.world_to_cam[frames]
    return np.einsum("tij,tkj->tki", world_to_cam[:, :3, :3], points) + world_to_cam[:, None, :3, 3]


def test_what_blazepose_always_gets_wrong_is_taken_out(monkeypatch):
    """Somebody who squats, with noise of 2 px and 20 mm on top, comes within two centimetres of the truth."""
    truth, seen = squatting.imaged(), slice(squatting.HIDDEN.stop, squatting.FRAMES)
    said = as_blazepose_says(truth.track.landmarks_3d[seen])
    frames = np.arange(len(said))
    track = Track(frames, truth.track.keypoints_2d[seen], said, truth.track.observed[seen])
    source = SimpleNamespace(size=squatting.SIZE, fps=30, path=Path("clip.mp4"), frame_numbers=frames.tolist(), cuts=[], focal_hints={})
    monkeypatch.setattr(pipeline, "open_source", lambda *_: source)
    monkeypatch.setattr(pipeline, "find_people", lambda *_: [track])
    take = reconstruct(Options(("clip.mp4",), "none", camera="still", fov=60.0))
    found = in_camera(take, take.people[0].joints(), frames)
    off = metrics.mpjpe(found, truth.joints[seen], tuple(JOINT_INDEX[name] for name in ("femur_r", "femur_l")))
    assert off < 25 and metrics.pa_mpjpe(found, truth.joints[seen]) < 16


def test_drawn_people_on_photos_are_within_centimetres(landmark_model, body, tmp_path):
    """All of the program: strangers in poses of a walk, from anywhere around, each through the lens that his photo states."""
    rng, poses = np.random.default_rng(0), walk.take().people[0].poses[::20]
    people = [picture(body, pose, rng) for pose in poses]
    for number, one in enumerate(people):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA405] = round(one.focal * 43.2666 / np.hypot(*one.image.shape[:2]))
        Image.fromarray(one.image).save(tmp_path / f"{number}.png", exif=exif)
    take = reconstruct(Options((str(tmp_path),), str(landmark_model)))
    assert [person.frames.tolist() for person in take.people] == [[number] for number in range(len(people))]
    found = np.concatenate([in_camera(take, z_up(markers_of(person)), person.frames) for person in take.people])[:, LIMBS]
    truth = np.stack([one.points for one in people])[:, LIMBS]
    off = metrics.distances(found, truth, tuple(map(LIMBS.index, HIPS)))
    assert off.mean() < 70 and metrics.pa_mpjpe(found, truth) < 46
