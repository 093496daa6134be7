# SPDX-License-Identifier: GPL-3.0-or-later
"""The open bodies in any shape, straight from their files: an implementation of its own, without the engine."""

from __future__ import annotations

import numpy as np

from skel_blender.take import RestBody, Take
from tests import synthetic

SHAPES = {
    "mean": np.zeros(10),
    "large": np.array([2.0, 1.5, -1.0, 1.0, -2.0, 0.5, 1.0, -1.5, 0.5, 1.0]),
    "small": np.array([-2.0, -1.0, 1.5, -0.5, 1.0, 2.0, -1.0, 0.5, -1.5, -1.0]),
}


def open_body(name: str, shape: str) -> RestBody:
    """The body `open_male` or `open_female` in one of SHAPES, with the anatomical limits."""
    betas = SHAPES[shape]
    sex = name.removeprefix("open_")
    body = synthetic.open_body(sex, betas)
    with np.load(synthetic.open_body_file(sex), allow_pickle=False) as data:
        affine = np.einsum("pkij,k->pij", data["skel_part_affine"].astype(float), betas)[data["skel_part"]]
    body.bone_verts = body.bone_verts + np.einsum("vij,vj->vi", affine[..., :3], body.bone_verts) + affine[..., 3]
    return body


def random_take(body: RestBody, frames: int, seed: int) -> Take:
    """One person of that body in random poses within its limits."""
    take = synthetic.random_take(frames=frames, people=1, seed=seed)
    take.people[0].body = body
    take.people[0].poses = synthetic.random_poses(frames, body.limits, np.random.default_rng(seed))
    return take
