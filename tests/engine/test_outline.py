# SPDX-License-Identifier: GPL-3.0-or-later
"""Edges of limbs and trunk are read where they are and where nothing is in the way; and they tell the fit how broad somebody is."""

from dataclasses import replace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
torch = pytest.importorskip("torch")

from skel_blender.anatomy import DOF_INDEX  # noqa: E402
from skel_blender.engine.blazepose import ACROSS  # noqa: E402
from skel_blender.engine.body import load_body  # noqa: E402
from skel_blender.engine.body.anthropometry import measure  # noqa: E402
from skel_blender.engine.body.stance import relaxed_pose  # noqa: E402
from skel_blender.engine.camera import intrinsics  # noqa: E402
from skel_blender.engine.fit import View  # noqa: E402
from skel_blender.engine.fit.evidence import gather  # noqa: E402
from skel_blender.engine.fit.outline import outlined, rings  # noqa: E402
from skel_blender.engine.fit.people import fit_people  # noqa: E402
from skel_blender.engine.fit.scene.sightings import places  # noqa: E402
from skel_blender.engine.people.crops import Roi  # noqa: E402
from skel_blender.engine.people.outline import across  # noqa: E402
from skel_blender.engine.people.tracks import Track  # noqa: E402
from skel_blender.take import OUTLINED  # noqa: E402

SIDE, OUTSIDE = 256, 0.5  # px of the network's window, and by which it draws edges outside of where they are
PART = dict(zip(OUTLINED, ACROSS))
ROI, IMAGE = Roi(np.array([640.0, 360.0]), 512.0, 0.3), (1280, 720)
# A figure in the window: px, and how thick its parts are either way.
JOINTS = {11: (152, 60), 12: (104, 60), 13: (185, 85), 14: (71, 85), 15: (215, 110), 16: (41, 110), 23: (144, 130), 24: (112, 130),
          25: (165, 175), 26: (91, 175), 27: (175, 225), 28: (81, 225)}  # fmt: skip
RADII = {(11, 13): 7, (13, 15): 6, (12, 14): 7, (14, 16): 6, (23, 25): 11, (25, 27): 8, (24, 26): 11, (26, 28): 8}
TRUNK = 30
FPS, SIZE = 10.0, (600, 600)


def _points(**moved) -> np.ndarray:
    points = np.zeros((33, 2))
    for number, where in (JOINTS | {int(name[1:]): where for name, where in moved.items()}).items():
        points[number] = where
    return points


def _logits(points: np.ndarray) -> np.ndarray:
    """Minus the distance to the nearest limb's skin: drawn as the network draws it."""
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).astype(float)
    parts = [(points[a], points[b], radius) for (a, b), radius in RADII.items()]
    parts.append((points[[11, 12]].mean(0), points[[23, 24]].mean(0), TRUNK))
    far = []
    for a, b, radius in parts:
        along = np.clip((grid - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0, 1)
        far.append(np.linalg.norm(grid - a - along[..., None] * (b - a), axis=-1) - radius)
    return (OUTSIDE - np.min(far, axis=0)).astype(np.float32)


def _read(points: np.ndarray, roi: Roi = ROI, logits: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """(2,2) px in the window, the edges of each part."""
    found = across(_logits(points) if logits is None else logits, points / SIDE, roi, IMAGE)
    assert np.isnan(np.delete(found, list(ACROSS), axis=0)).all()
    return {name: ((found[number].reshape(2, 2) - roi.center) @ roi.axes() / roi.size + 0.5) * SIDE for name, number in PART.items()}


def _expected(points: np.ndarray, name: str, radius: float) -> np.ndarray:
    starts, ends, share = ACROSS[PART[name]]
    first, last = points[list(starts)].mean(0), points[list(ends)].mean(0)
    middle, along = first + share * (last - first), (last - first) / np.linalg.norm(last - first)
    right = np.array([-along[1], along[0]])  # of who goes along it, as the image shows it
    return np.array([middle + radius * right, middle - radius * right])


def test_the_names_of_the_parts_are_those_of_their_landmarks():
    sides = {name: number % 2 for name, number in PART.items() if name.endswith(("_l", "_r"))}
    assert all(odd == name.endswith("_l") for name, odd in sides.items()) and len(OUTLINED) == len(ACROSS)


def test_edges_are_where_they_are_in_a_turned_window():
    points = _points()
    found = _read(points)
    radii = {"forearm_l": 6, "forearm_r": 6, "thigh_l": 11, "thigh_r": 11, "shank_l": 8, "shank_r": 8, "waist": TRUNK, "upper_arm_l": 7}
    for name, radius in radii.items():
        np.testing.assert_allclose(found[name], _expected(points, name, radius), atol=0.1, err_msg=name)


def test_thighs_that_touch_have_their_outer_edges():
    points = _points(_25=(140, 175), _26=(116, 175), _27=(140, 225), _28=(116, 225))
    found = _read(points)
    for name, outer in (("thigh_l", 1), ("thigh_r", 0)):
        np.testing.assert_allclose(found[name][outer], _expected(points, name, 11)[outer], atol=0.1)
        assert np.isnan(found[name][1 - outer]).all()


def test_an_arm_beside_the_trunk_hides_that_edge_of_both():
    found = _read(_points(_13=(158, 95), _15=(158, 130)))
    assert np.isnan(found["waist"][1]).all() and np.isfinite(found["waist"][0]).all()
    assert np.isnan(found["forearm_l"]).any()


def test_whose_thighs_do_not_go_on_where_the_trunk_ends_has_no_hips():
    assert np.isfinite(_read(_points())["hips"]).all()
    assert np.isnan(_read(_points(_25=(190, 125), _26=(66, 125)))["hips"]).all()


def test_where_the_image_ends_there_is_no_edge():
    roi = Roi(np.array([0.0, 360.0]), 512.0, 0.0)  # its left half is beyond the border
    found = _read(_points(), roi)
    assert np.isnan(found["thigh_r"]).all() and np.isfinite(found["thigh_l"]).all()
    assert np.isnan(found["waist"][0]).all() and np.isfinite(found["waist"][1]).all()


def test_where_there_is_no_outline_there_are_no_edges():
    assert all(np.isnan(edges).all() for edges in _read(_points(), logits=np.full((SIDE, SIDE), -5.0, np.float32)).values())
    assert all(np.isnan(edges).all() for edges in _read(_points(), logits=np.full((SIDE, SIDE), 5.0, np.float32)).values())
    assert all(np.isnan(edges).all() for edges in _read(np.full((33, 2), 128.0)).values())


@pytest.fixture(scope="module")
def body():
    return load_body("open", "male")


def _standing(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """poses (T,46), trans (T,3) of somebody who turns about, arms and legs a little apart."""
    poses = np.tile(relaxed_pose(), (frames, 1))
    for side, outward in (("r", 1), ("l", -1)):
        poses[:, DOF_INDEX[f"shoulder_{side}_x"]] = outward * 0.8
        poses[:, DOF_INDEX[f"hip_adduction_{side}"]] = -0.2
    poses[:, DOF_INDEX["pelvis_rotation"]] = np.linspace(-0.6, 0.6, frames)
    return poses, np.zeros((frames, 3))


def _filmed(body, betas: np.ndarray, frames: int = 8) -> tuple[Track, np.ndarray, View, np.ndarray]:
    """What a network that never errs says of somebody, of his outline what the skin's silhouette is; K, his camera, his state (T,49)."""
    poses, trans = _standing(frames)
    K, like = intrinsics(SIZE, focal_length=800.0), body.J_template
    view = View(torch.as_tensor(K).to(like), torch.diag(torch.tensor([1.0, -1.0, -1.0])).to(like), torch.tensor([0.0, 0.0, 4.0]).to(like))
    state, shape = torch.as_tensor(np.concatenate([trans, poses], 1)).to(like), torch.as_tensor(betas).to(like)
    markers = view.see(torch.as_tensor(places(body, state, shape[None], body.markers))).numpy()
    skin = view.see(body.forward(state[:, 3:], shape, state[:, :3]).skin_verts).numpy()
    imaged, verts = (points @ K.T for points in (markers, skin))
    pixels, verts = imaged[..., :2] / imaged[..., 2:], verts[..., :2] / verts[..., 2:]
    window, edges = Roi(np.array([300.0, 300.0]), 600.0, 0.0), []
    for seen, points in zip(verts, pixels):
        shown = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        for corners in np.round(16 * seen[body.triangles]).astype(np.int32):
            cv2.fillConvexPoly(shown, corners, 1, shift=4)
        inside, outside = (cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for part in (shown, 1 - shown))
        edges.append(across(inside - outside, points / SIZE, window, SIZE))
    keypoints = np.concatenate([pixels, np.ones((frames, 33, 1))], -1)
    landmarks = markers - markers[:, [23, 24]].mean(1, keepdims=True)
    track = Track(np.arange(frames), keypoints, landmarks, np.ones(frames, bool), outline=np.array(edges)[:, list(ACROSS)])
    return track, K, view, state.numpy()


@pytest.mark.parametrize("seed", [0, 1])
def test_rings_are_as_broad_as_the_silhouette_and_seen_in_its_middle(body, seed):
    betas = np.clip(np.random.default_rng(seed).normal(size=10), -2, 2)
    track, K, view, state = _filmed(body, betas)
    shape, state = torch.as_tensor(betas).to(body.J_template)[None], torch.as_tensor(state).to(body.J_template)
    told = outlined(body, gather(track, body, view, FPS), state, shape)
    [girths] = told.girths
    assert len(girths.metres) >= 9
    assert (girths.slopes @ shape[0] - girths.metres).abs().max() < 0.012
    middles = view.see(torch.as_tensor(places(body, state, shape, told.midline_points)))
    pixels = (middles @ torch.as_tensor(K).to(middles).T)[..., :2] / middles[..., 2:]
    off = (told.midlines[..., :2] * pixels).sum(-1) - told.midlines[..., 2]
    assert torch.isfinite(off).double().mean() > 0.8
    assert off[torch.isfinite(off)].abs().median() < 1.0  # of 200 px to the metre


def test_a_ring_goes_around_a_part_of_its_own(body):
    for landmark, ring in rings(body).items():
        starts, ends, _ = ACROSS[landmark]
        assert len(ring.template) > 8 and np.ptp(ring.template.numpy(), axis=0).max() < 0.45
        if len(starts) == 1:
            side = 1 if landmark % 2 else -1  # x is to the left
            assert (side * ring.template[:, 0] > 0).all()


def test_girths_of_another_number_of_people_are_refused(body):
    track, _, view, state = _filmed(body, np.zeros(10), 2)
    told = outlined(body, gather(track, body, view, FPS), torch.as_tensor(state).to(body.J_template), body.J_template.new_zeros(1, 10))
    with pytest.raises(ValueError, match="girths must be of 1 people, not 2"):
        replace(told, girths=2 * told.girths).checked()


@pytest.mark.parametrize("second", [-1.5, 1.5])
def test_the_outline_tells_how_heavy_somebody_is(body, second):
    """The landmarks are as exact as can be, and do not."""
    betas = np.array([0.0, second] + [0.0] * 8)
    track, K, _, _ = _filmed(body, betas)
    weight = measure(body, betas).mass
    [told], _ = fit_people([track], body, K, FPS)
    [alone], _ = fit_people([replace(track, outline=None)], body, K, FPS)
    off, blind = (abs(measure(body, fit.betas).mass - weight) for fit in (told, alone))
    assert off < 0.5 * blind and blind > 8


def test_limbs_follow_their_outline_where_landmarks_are_beside_it(body):
    """Both landmarks of a shank are 15 px beside it, 7.5 cm."""
    track, K, _, state = _filmed(body, np.zeros(10))
    keypoints = track.keypoints_2d.copy()
    keypoints[:, [25, 27], 0] += 15.0
    beside = replace(track, keypoints_2d=keypoints)
    truth = track.keypoints_2d[:, [25, 27], 0]
    found = []
    for one in (beside, replace(beside, outline=None)):
        [fit], view = fit_people([one], body, K, FPS)
        like = body.J_template
        markers = view.see(torch.as_tensor(places(body, torch.as_tensor(fit.state).to(like), torch.as_tensor(fit.betas).to(like)[None],
                                                  body.markers)).to(like)).numpy() @ K.T  # fmt: skip
        found.append(np.abs(markers[:, [25, 27], 0] / markers[:, [25, 27], 2] - truth).mean())
    assert found[0] < 0.75 * found[1]
