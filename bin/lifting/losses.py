# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network is told about its answers."""

from __future__ import annotations

import torch
from torch.nn import functional

from bin.lifting.chain import Chain
from bin.lifting.generator import Batch
from skel_blender.anatomy import DOFS
from skel_blender.engine.regress.lift.network import ANGLES, SHOULDERS, Answer

# Of each term, as they are added.
WEIGHTS = {"joints": 5.0, "speed": 5.0, "angles": 1.0, "pelvis": 1.0, "shoulders": 0.7, "place": 1.0, "lengths": 3.0, "sigma": 0.05}
_HALF = ("wrist", "pro_sup", "mtp", "subtalar", "scapula", "head")  # DoFs that landmarks hardly tell count half
_SMOOTH = 0.05  # rad, m: below this an error's loss is quadratic
_WILD = 1.5  # rad, the largest error that sigma answers for


def losses(answer: Answer, batch: Batch, chain: Chain) -> dict[str, torch.Tensor]:
    """Every term, unweighted; `joints` in metres, `angles` in radians."""
    flat = Answer(part.flatten(0, 1) for part in answer)
    joints = chain.joints(flat, batch.facing.flatten(0, 1), batch.offsets.flatten(0, 1)).view_as(batch.joints)
    off = joints - batch.joints
    wanted = torch.stack([batch.pelvis, *(arm_rotations(batch.poses[..., SHOULDERS[side]]) for side in "rl")], 2)
    turned = (answer.rotations - wanted).flatten(-2).norm(dim=-1)
    missed = answer.angles - batch.poses[..., ANGLES]
    counted = torch.tensor([0.5 if DOFS[dof].name.startswith(_HALF) else 1.0 for dof in ANGLES]).to(missed)
    error = torch.cat([_between(answer.rotations, wanted) / 3**0.5, missed], -1).detach().clamp(-_WILD, _WILD)
    return {
        "joints": off.norm(dim=-1).mean(), "speed": (off[:, 1:] - off[:, :-1]).norm(dim=-1).mean(),
        "angles": (counted * functional.smooth_l1_loss(missed, torch.zeros_like(missed), beta=_SMOOTH, reduction="none")).mean(),
        "pelvis": turned[..., 0].mean(), "shoulders": turned[..., 1:].mean(),
        "place": functional.smooth_l1_loss(answer.place, batch.place, beta=_SMOOTH),
        "lengths": (answer.lengths.mean(1) - batch.lengths).abs().mean(),
        "sigma": (answer.log_sigma + 0.5 * error.square() * torch.exp(-2 * answer.log_sigma)).mean(),
    }  # fmt: skip


def total(terms: dict[str, torch.Tensor]) -> torch.Tensor:
    """The weighted sum."""
    return sum(WEIGHTS[name] * value for name, value in terms.items())


def arm_rotations(angles: torch.Tensor) -> torch.Tensor:
    """(...,3,3) = Rz Ry Rx of angles (...,3)."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    rows = [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx, sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx,
            -sy, cy * sx, cy * cx]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def _between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(...) rad between rotations."""
    return (0.5 * ((a * b).sum((-2, -1)) - 1)).clamp(-1, 1).acos()
