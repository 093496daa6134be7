# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole engine on real footage. `bin/test --all` adds the other cameras, and the beginning and the end of a long clip."""

import os
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("torch")

from skel_blender.anatomy import JOINT_INDEX  # noqa: E402
from skel_blender.engine.camera import intrinsics  # noqa: E402
from skel_blender.engine.footage.video import open_source  # noqa: E402
from skel_blender.messages import SkelError  # noqa: E402
from tests import clips, footage, virtual_camera  # noqa: E402

ALL = bool(os.environ.get("SKEL_BLENDER_ALL"))
_more = pytest.mark.skipif(not ALL, reason="bin/test --all")
CASES = [
    pytest.param("walker", 1, id="walker"),
    pytest.param("sports2d", 2, id="sports2d"),
    pytest.param("sports2d whole", 2, id="sports2d-whole", marks=_more),
    pytest.param("single/cam03", 1, id="single-cam03"),
    *(pytest.param(f"{kind}/cam0{k}", people, id=f"{kind}-cam0{k}", marks=_more)
      for kind, people in (("single", 1), ("multi", 2)) for k in range(1, 5) if (kind, k) != ("single", 3)),
]  # fmt: skip
_RUN_AND_FLIP = (60, 200)  # of sports2d's 230 frames: one walks by while the other runs up, flips off the wall and lands
_takes: dict[str, object] = {}


def _clip(name: str):
    if name == "walker":
        return clips.WALKER
    if name.startswith("sports2d"):
        return clips.sports2d_demo()
    kind, camera = name.split("/")
    return (clips.pose2sim_single() if kind == "single" else clips.pose2sim_multi()) / "videos" / f"{camera}.mp4"


def _take(name: str, model, tmp_path_factory):
    if name not in _takes:
        options = {"frames": _RUN_AND_FLIP} if name == "sports2d" else {}
        _takes[name] = footage.reconstruct(_clip(name), model, tmp_path_factory.mktemp("takes") / "take.npz", **options)
    return _takes[name]


@pytest.mark.parametrize(("name", "people"), CASES)
def test_people_sit_on_the_footage(name, people, landmark_model, tmp_path_factory):
    take = _take(name, landmark_model, tmp_path_factory)
    assert len(take.people) >= people
    assert np.ptp(take.camera.world_to_cam, axis=0).max() == 0 and take.camera.zoom is None  # all of these cameras stand still
    for person in take.people[:people]:
        report = footage.measure(take, person)
        assert report.reprojection < 0.03
        assert report.beyond_limits < 2
        assert report.largest_jump < 60
        assert report.contact_height < 0.05
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # frames in which none of these joints is clear
            by_hand = np.nanmedian(footage.reprojection_by_hand(take, person))
        assert by_hand < 0.04 * np.median(footage.height_px(take, person))


def test_a_person_has_a_pose_in_every_frame(landmark_model, tmp_path_factory):
    take = _take("walker", landmark_model, tmp_path_factory)
    assert np.array_equal(take.people[0].frames, np.arange(120)) and np.array_equal(take.frames, np.arange(120))
    assert take.fps == 30 and take.image_size == (576, 576)


def test_the_person_stands_upright_and_faces_the_camera(landmark_model, tmp_path_factory):
    take = _take("walker", landmark_model, tmp_path_factory)
    joints = take.people[0].joints()
    assert np.all(joints[:, JOINT_INDEX["head"], 2] - joints[:, JOINT_INDEX["pelvis"], 2] > 0.35)
    eye = -take.camera.world_to_cam[0, :3, :3].T @ take.camera.world_to_cam[0, :3, 3]
    left = np.mean(joints[:, JOINT_INDEX["humerus_l"]] - joints[:, JOINT_INDEX["humerus_r"]], axis=0)
    forward = np.cross(left, [0, 0, 1.0])
    assert forward @ (eye - joints[:, 0].mean(axis=0)) > 0


def test_the_same_seed_gives_the_same_take_of_the_frames_asked_for(landmark_model, tmp_path_factory):
    """On the processor: a card adds in whatever order sums come."""
    folder, asked = tmp_path_factory.mktemp("twice"), {"frames": (30, 42), "seed": 3, "device": "cpu"}
    first, second = (footage.reconstruct(clips.WALKER, landmark_model, folder / f"{k}.npz", **asked) for k in range(2))
    assert np.array_equal(first.people[0].poses, second.people[0].poses)
    assert np.array_equal(first.frames, np.arange(30, 42))


def test_whom_a_camera_follows_moves_as_before_a_still_one(landmark_model, tmp_path_factory):
    """Frames 60 to 130 of the walker in sports2d, through a small window that pans with him; nobody tells the lens."""
    clip, frames = tmp_path_factory.mktemp("pan") / "pan.mp4", np.arange(60, 130)
    still = _take("sports2d", landmark_model, tmp_path_factory)
    hips = {k: person.keypoints_2d[frames - person.frames[0]][:, [23, 24], :2].mean(1) for k, person in enumerate(still.people)
            if np.isin(frames, person.frames).all()}  # fmt: skip
    walks = max(hips, key=lambda k: np.ptp(hips[k][:, 0]))
    K, truth = _panning(clip, _clip("sports2d"), frames, hips[walks])
    take = footage.reconstruct(clip, landmark_model, clip.with_suffix(".npz"))
    turns = take.camera.world_to_cam[:, :3, :3]
    off = Rotation.from_matrix((turns @ turns[0].T) @ (truth @ truth[0].T).swapaxes(1, 2))
    assert np.degrees(off.magnitude()).max() < 0.3
    assert take.camera.K[0, 0] == pytest.approx(K[0, 0], rel=0.03)
    walker, rows = still.people[walks], frames - still.people[walks].frames[0]
    paths = [person.joints()[chosen, 0, :2] for person, chosen in ((take.people[0], slice(None)), (walker, rows))]
    moved, wanted = (np.linalg.norm(path - path[0], axis=1) for path in paths)
    assert wanted.max() > 1.5 and np.abs(moved - wanted * K[0, 0] / still.camera.K[0, 0]).max() < 0.3


def _panning(out, clip, frames, pixels):
    """Write the frames (T,) of a clip as a camera sees them that turns after pixels (T,2). Its K, and its turns (T,3,3)."""
    source = open_source([clip], (int(frames[0]), int(frames[-1])), lambda log: None)
    K = intrinsics(source.size, focal_length=1591.0)
    through = virtual_camera.following(pixels, K, source.size, (560, 560))
    virtual_camera.write_clip(out, virtual_camera.seen_through((image for _, image in source), K, through), float(source.fps), through.size)
    return K, through.turns


def test_one_image_becomes_one_pose(landmark_model, tmp_path_factory):
    take = footage.reconstruct(clips.PORTRAIT, landmark_model, tmp_path_factory.mktemp("image") / "a.npz")
    assert take.people[0].poses.shape == (1, 46)
    assert footage.measure(take, take.people[0]).reprojection < 0.03


def test_a_lens_that_is_given_is_used(landmark_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lens")
    take = footage.reconstruct(clips.PORTRAIT, landmark_model, folder / "a.npz", focal_length=900.0)
    assert take.camera.K[0, 0] == take.camera.K[1, 1] == 900.0


def test_a_lens_that_cannot_be_is_the_reason_that_is_told(landmark_model, tmp_path):
    with pytest.raises(SkelError, match="no body explains them. Check the lens"):
        footage.reconstruct(clips.PORTRAIT, landmark_model, tmp_path / "a.npz", focal_length=1.0)
