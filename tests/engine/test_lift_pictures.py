# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up postures, and drawn people whose landmarks BlazePose tells: what the lifting network learns beyond motion capture."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from bin.lifting import errors, generator
from bin.lifting import pictures as drawing
from bin.lifting.errors import Known, landmarked
from bin.lifting.motions import mirror
from bin.lifting.pictures import Pictures, pictures
from bin.lifting.postures import moving, postures
from skel_blender.anatomy import DOF_INDEX, JOINT_INDEX
from skel_blender.engine.body import load_body
from skel_blender.engine.camera import intrinsics
from skel_blender.engine.regress.correction import corrected
from skel_blender.engine.regress.lift.features import features, mirror_table


@pytest.fixture(scope="module")
def looked_at(motions, cache):
    """Two pictures, and of each its focal length, px, and what BlazePose said."""
    said, looked = [], []
    plain, plain_look = drawing._seen, drawing.look

    def noted(image, pixels, points, focal, rng):
        told = plain(image, pixels, points, focal, rng)
        if told is not None:
            said.append((focal, looked[-1]))
        return told

    def look(*asked):
        looked.append(plain_look(*asked))
        return looked[-1]

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_PART", 2), ("_CUT", 0.0), ("_LEAST_SCORE", 0.0), ("_seen", noted), ("look", look)):
            patch.setattr(drawing, name, value)
        return pictures(motions, cache, 2, 8, 0), said


def test_what_blazepose_said_of_a_picture_is_what_the_network_is_shown(looked_at, monkeypatch):
    """Without noise on top: wherever the person is put, whichever way the picture is mirrored."""
    known, said = looked_at
    for name in ("_OTHER_POSE", "_OTHER_SHAPE", "_OTHER_DISTANCE", "_OTHER_ROLL", "_HELD_NOISE"):
        monkeypatch.setattr(generator, name, 0.0)
    monkeypatch.setattr(generator, "_HELD", 1.0)
    monkeypatch.setattr(errors, "_TELLS", 1.0)
    index, sign = mirror_table()
    landmarks = slice(0, 198)  # the parts of the features that are places
    for number, (focal, pose) in enumerate(said):
        one = known.rows(torch.tensor([number]))
        given = (pose.keypoints_2d[None, None], corrected(pose.landmarks_3d[None].astype(float))[None], np.ones((1, 1)),
                 intrinsics((drawing._SIDE, drawing._SIDE), focal_length=focal), one.fps.numpy())  # fmt: skip
        wanted = features(*(torch.as_tensor(part).double() for part in given)).values[0, 0]
        figures = generator.Figures(load_body("open", drawing.SEXES[int(one.female)]))
        for seed in range(3):
            random = torch.Generator().manual_seed(seed)
            shown = generator._batch(generator._pictured(one, random), figures, random).values[0, 4].double()
            off = min(float((values - wanted)[landmarks].abs().mean()) for values in (shown, shown[index] * sign))
            assert off < 0.02 < 5 * off + 0.1 * float(wanted[landmarks].abs().mean())


def test_pictures_are_made_once(looked_at, motions, cache, monkeypatch):
    monkeypatch.setattr(drawing, "_PART", 2)
    monkeypatch.setattr(drawing, "picture", None)
    again = pictures(motions, cache, 2, 8, 0)
    assert all(torch.equal(getattr(again, field.name), getattr(looked_at[0], field.name)) for field in fields(Pictures))


def test_a_pictures_errors_hold_while_the_person_is_as_in_the_picture():
    random = torch.Generator().manual_seed(0)
    markers = 0.3 * torch.randn(1, 1, 33, 3, generator=random) + torch.tensor([0.0, 0, 5])
    markers = markers.repeat(1, 9, 1, 1)
    markers[:, 6:, :11] += 2.0
    off = 0.1 * torch.randn(1, 33, 3, generator=random)
    known = Known(off[..., :2], off, torch.full((1, 33), 0.7), torch.ones(1), torch.zeros(1))
    share = known.share(markers)[0]
    assert torch.allclose(share[:6], torch.ones(6)) and (share[6:] < 1e-3).all()
    seen = landmarked(markers, torch.full((1, 2), 9.0), torch.tensor([30.0]), torch.Generator().manual_seed(2), known)
    hips = markers[0, 4, [23, 24]].mean(0)
    bare = markers[0, 4, :, :2] / markers[0, 4, :, 2:]
    left = (seen.keypoints[0, 4, :, :2] - bare) * hips[2] - off[0, :, :2]
    assert float(left.square().mean().sqrt()) < 0.3 * 0.1, "what is left of the usual bias"


def test_postures_are_alike_on_both_sides_and_every_way_up():
    found = postures(4000, torch.Generator().manual_seed(0))
    mirrored = mirror(found)
    assert torch.allclose(found.mean(0)[3:], mirrored.mean(0)[3:], atol=0.06) and torch.allclose(found.std(0), mirrored.std(0), atol=0.06)
    body = load_body("open", "male")
    joints = body.joints(found.double(), torch.zeros(4000, 10, dtype=torch.float64), torch.zeros(4000, 3, dtype=torch.float64))
    above = joints[:, JOINT_INDEX["head"], 1] - joints[:, 0, 1]
    assert all(0.1 < float(share) < 0.6 for share in ((above > 0.35).double().mean(), (above.abs() < 0.25).double().mean(),
                                                      (above < -0.35).double().mean()))  # fmt: skip
    knees = found[:, DOF_INDEX["knee_angle_r"]]
    assert float((knees > 1.7).double().mean()) > 0.2 and float((knees < 0.4).double().mean()) > 0.2


def test_a_made_up_motion_is_no_faster_than_people():
    steps = moving(200, 32, torch.Generator().manual_seed(0)).diff(dim=1).abs()
    assert 0 < float(steps.max()) < 0.3
