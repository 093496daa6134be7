# SPDX-License-Identifier: GPL-3.0-or-later
"""What a body weighs, and where, as points that ride its joints."""

from __future__ import annotations

import numpy as np
import torch

from ...opensim.segments import inertias
from ..body import BodyModel, Points


def point_masses(body: BodyModel) -> tuple[Points, torch.Tensor]:
    """Six points for each segment with its mass, centre and inertia (de Leva 1996), and (144,) their shares of the body's mass.

    They lie in pairs on the segment's axes; within a segment they stay where the mean shape has them.
    """
    segments = inertias(body.rest_body(np.zeros(body.J_shapedirs.shape[-1])), body.name.split()[-1], mass=1.0)
    places, shares = [], []
    for segment in segments:
        moments = np.diag(segment.inertia)
        arms = np.sqrt(3.0 * np.maximum(0.5 * moments.sum() - moments, 0.0) / segment.mass)
        places.append(segment.centre + np.concatenate([np.diag(arms), -np.diag(arms)]))
        shares += [segment.mass / 6.0] * 6
    like = body.J_template
    joint = torch.arange(len(segments), device=like.device).repeat_interleave(6)
    local, share = torch.as_tensor(np.concatenate(places)).to(like), torch.tensor(shares).to(like)
    template = like[joint] + (body.rest_frames[joint] @ local[..., None])[..., 0]
    names = tuple(f"mass {k}" for k in range(len(joint)))
    return Points.rigid(names, joint, template, body.J_shapedirs[joint]), share / share.sum()


def centre_of_mass(body: BodyModel) -> Points:
    """The one point that the masses have in their middle: a pair for each joint."""
    points, share = point_masses(body)
    joint = torch.unique(points.joint)

    def summed(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(joint), *values.shape[1:]).index_add_(0, points.joint, values)

    return Points(("centre of mass",), torch.zeros_like(joint), joint, summed(share), summed(share[:, None] * points.template),
                  summed(share[:, None, None] * points.shapedirs))  # fmt: skip
