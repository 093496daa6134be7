# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a fitted person's landmarks and soles are, from what a Take holds."""

from __future__ import annotations

import numpy as np
import torch

from skel_blender.engine.body import BodyModel, Points, load_body
from skel_blender.engine.fit.scene.sightings import places
from skel_blender.take import Person


def markers_of(person: Person) -> np.ndarray:
    """(T,33,3) m, model axes: BlazePose's landmarks on a fitted person."""
    return posed(load_body("open", person.body_name.split()[-1]), person.poses, person.betas, person.trans)[0]


def posed(body: BodyModel, poses: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (T,33,3) and sole points (T,6,3), m, of poses (T,46), betas (10,) and trans (T,3) m, model axes."""
    return tuple(where(points, body, poses, betas, trans) for points in (body.markers, body.soles))


def where(points: Points, body: BodyModel, poses: np.ndarray, betas: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T,K,3) m, model axes: points of a body; arguments as for `posed`."""
    like = body.J_template
    state, shape = (torch.as_tensor(part).to(like) for part in (np.concatenate([trans, poses], axis=1), np.asarray(betas)[None]))
    return places(body, state, shape, points)
