# SPDX-License-Identifier: GPL-3.0-or-later
"""What the outline of somebody in the image says: where the middle of his trunk and limbs is, and how broad they are.

A part of the body is cut across at rest: a ring of skin, turned as the posed limb is. The edges of that part of the outline are where the
ring's outermost points are, so its middle is on a line between them, or beside the one that is seen. Its breadth is a function of the
betas, whose slope is that of the outermost points; pixels become metres at the part's depth. Over a track the median counts: errors of
single outlines are many, clothes are the same all along.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ...anatomy import JOINT_INDEX
from ..blazepose import ACROSS
from ..body import BodyModel, Points
from ..body.chain import Posed, pose_points
from ..memo import memoised
from .observations import Girths, Observations
from .scene.sightings import posed

_OWN = 0.6  # least share of a vertex that the part's joints move
_ALONG = 0.7  # sine of the angle between the view and a part: what points at the camera has no breadth of its own
_LEAST = 3  # frames
_SURE = 0.5  # least confidence of the landmarks between which a part is measured
_ROBUST_M = 0.06  # what is as much too broad or too slim counts a quarter: a skirt, a bag
_CORNERS = 3  # least of a ring
_TRUNK = (11, 23, 24)
_OF_TRUNK = ("pelvis", "lumbar_body", "thorax", "scapula_l", "scapula_r", "femur_l", "femur_r")
# The joint whose turn a part shares, and all that move its skin.
_PARTS = {11: ("thorax", _OF_TRUNK), 23: ("lumbar_body", _OF_TRUNK), 24: ("pelvis", _OF_TRUNK)} | {
    landmark: (names[0].format(side), tuple(name.format(side) for name in names))
    for first, names in ((13, ("humerus_{}", "scapula_{}", "ulna_{}", "radius_{}")), (15, ("ulna_{}", "humerus_{}", "radius_{}")),
                         (25, ("femur_{}", "pelvis", "tibia_{}")), (27, ("tibia_{}", "femur_{}", "talus_{}")))
    for landmark, side in ((first, "l"), (first + 1, "r"))
}  # fmt: skip


@dataclass(frozen=True)
class Ring:
    """The skin across a part of the body in the T pose: points (V,3) m, by the betas (V,3,10), and the joint that turns it."""

    template: torch.Tensor
    shapedirs: torch.Tensor
    joint: int

    @property
    def middle(self) -> torch.Tensor:
        """(3,) m."""
        return 0.5 * (self.template.amin(0) + self.template.amax(0))

    @property
    def slides(self) -> torch.Tensor:
        """(3,10), the middle by the betas."""
        return self.shapedirs.mean(0)


def edges_of(outline: torch.Tensor, keypoints: torch.Tensor) -> torch.Tensor:
    """(F,11,4) px, a track's outline where its keypoints (F,33,3) are sure; NaN elsewhere."""
    sure = torch.stack([keypoints[:, [*starts, *ends], 2].amin(1) for starts, ends, _ in ACROSS.values()], 1) > _SURE
    return torch.where(sure[..., None], outline, torch.nan)


def outlined(body: BodyModel, seen: Observations, state: torch.Tensor, betas: torch.Tensor) -> Observations:
    """The evidence of one person with what his edges say where he is fitted by state (T,49) and betas (1,10)."""
    if seen.edges is None:
        return seen
    shape, chains = posed(body, state, betas)
    markers = seen.view.see(pose_points(shape, torch.zeros(len(state), dtype=torch.long, device=state.device), chains, body.markers)[0])
    parts = rings(body)
    if not parts:
        return seen
    read = [_read(parts[landmark], landmark, seen, markers, chains, betas[0], edges)
            for landmark, edges in zip(ACROSS, seen.edges.unbind(1), strict=True) if landmark in parts]  # fmt: skip
    told = [girth for _, girth in read if girth is not None]
    girths = ()
    if told:
        slopes, metres = (torch.stack(values) for values in zip(*told))
        girths = (Girths(slopes, metres, 1 / (1 + ((slopes @ betas[0] - metres) / _ROBUST_M) ** 2) ** 2),)
    return replace(seen, midlines=torch.stack([line for line, _ in read], 1), midline_points=middles(parts), girths=girths)


def _read(ring: Ring, landmark: int, seen: Observations, markers: torch.Tensor, chains: Posed, betas: torch.Tensor,
          edges: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:  # fmt: skip
    """Of a part with edges (T,4) px: the line (T,3) in the image on which its middle is, and its girth, slope (10,) and metres ()."""
    starts, ends, share = ACROSS[landmark]
    first, last = markers[:, list(starts)].mean(1), markers[:, list(ends)].mean(1)
    middle = first + share * (last - first)
    across = torch.linalg.cross(last - first, torch.nn.functional.normalize(middle, dim=-1))
    shown = across.norm(dim=-1) > _ALONG * (last - first).norm(dim=-1)
    turned = torch.nn.functional.normalize((chains.rotations[:, ring.joint].mT @ (seen.view.R.mT @ across[..., None]))[..., 0], dim=-1)
    reach = turned @ (ring.template - ring.middle + (ring.shapedirs - ring.slides) @ betas).T
    px_per_m = seen.view.focal / middle[:, 2]
    begin, end = (seen.keypoints_2d[:, list(names), :2].mean(1) for names in (starts, ends))
    along = torch.nn.functional.normalize(end - begin, dim=-1)
    normal = torch.stack([along[:, 1], -along[:, 0]], -1)
    sides = (edges.unflatten(-1, (2, 2)) * normal[:, None]).sum(-1)  # against the normal, then with it
    sides = torch.where(shown[:, None], sides, torch.nan)
    line = (sides - torch.stack([reach.amin(1), reach.amax(1)], 1) * px_per_m[:, None]).nanmean(1)
    known = torch.isfinite(sides).all(1)
    if known.sum() < min(_LEAST, len(edges)):
        return torch.cat([normal, line[:, None]], 1), None
    reach = reach[known]
    slope = torch.einsum("ti,tik->tk", turned[known], ring.shapedirs[reach.argmax(1)] - ring.shapedirs[reach.argmin(1)]).mean(0)
    broad = (sides[:, 1] - sides[:, 0])[known] / px_per_m[known]
    return torch.cat([normal, line[:, None]], 1), (slope, (broad - (reach.amax(1) - reach.amin(1))).median() + slope @ betas)


def middles(parts: dict[int, Ring]) -> Points:
    """The middles of rings as points of the body."""
    rows = list(parts.values())
    joint = torch.tensor([ring.joint for ring in rows], device=rows[0].middle.device)
    return Points.rigid(tuple(f"across_{landmark}" for landmark in parts), joint, torch.stack([ring.middle for ring in rows]),
                        torch.stack([ring.slides for ring in rows]))  # fmt: skip


@memoised
def rings(body: BodyModel) -> dict[int, Ring]:
    """The rings of a body under the landmarks of ACROSS: where edges of the mean shape's skin cross the plane of each, if there is skin."""
    skin, markers = body.skin, body.markers.at_rest(torch.zeros_like(body.J_shapedirs[:1, 0]))[0]
    corners = torch.as_tensor(body.triangles, dtype=torch.long, device=markers.device)
    edges = torch.unique(torch.cat([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]).sort(1).values, dim=0)
    found = {}
    for landmark, (starts, ends, share) in ACROSS.items():
        owner, movers = _PARTS[landmark]
        first, last = markers[list(starts)].mean(0), markers[list(ends)].mean(0)
        own = skin.weights[:, [JOINT_INDEX[name] for name in movers]].sum(1) > _OWN
        if landmark not in _TRUNK:
            own &= skin.template[:, 0] * first[0].sign() > 0  # not the other thigh
        height = (skin.template - first - share * (last - first)) @ (last - first)
        a, b = edges[own[edges].all(1) & (height[edges[:, 0]] * height[edges[:, 1]] < 0)].T
        if len(a) < _CORNERS:
            continue
        part = (height[a] / (height[a] - height[b]))[:, None]
        template = skin.template[a] + part * (skin.template[b] - skin.template[a])
        shapedirs = skin.shapedirs[a] + part[..., None] * (skin.shapedirs[b] - skin.shapedirs[a])
        found[landmark] = Ring(template, shapedirs, JOINT_INDEX[owner])
    return found
