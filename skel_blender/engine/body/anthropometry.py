# SPDX-License-Identifier: GPL-3.0-or-later
"""A body's tape measures, and the shape that has given ones.

Works on any body, open or SKEL: stature, crotch height and arm span are those of the T pose's skin, mass comes from its volume, and the
shoulders are measured over the deltoids with the arms hanging.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
import torch

from ...anatomy import JOINT_INDEX
from ...messages import SkelError
from .model import BodyModel

DENSITY = 985.0
"""kg/m^3 of a living body with air in its lungs."""
REACH = 4.0
"""How far from the mean, in standard deviations of the ten coefficients together, a shape may lie: beyond, bodies look like nobody."""
EXACT = {"mass": 0.1}
"""What counts as one unit of miss: 0.1 kg, and 1 mm for every length. A coefficient one standard deviation off weighs as much."""
TOLERANCE = {"mass": 0.5}
"""kg, and 5 mm for every length: a fit that misses by more is out of reach."""
HANGING = np.radians(80.0)
"""From the T pose to hanging arms, which stay off the trunk by 10 degrees."""
EXACT_M = 1e-4
"""A shape has the stature that it was made for."""
ROUNDS = 30


@dataclass(frozen=True)
class Measures:
    """Metres and kilograms, standing: floor to crown; floor to crotch; fingertip to fingertip with arms spread; across the deltoids with
    arms hanging (bideltoid breadth); mass."""

    stature: float
    inseam: float
    arm_span: float
    shoulder_breadth: float
    mass: float


NAMES = tuple(field.name for field in fields(Measures))


def measure(body: BodyModel, betas: np.ndarray) -> Measures:
    """Measures of the shape betas (10,)."""
    return Measures(*map(float, _Tape(body)(np.asarray(betas, dtype=float)[None])[0]))


def stature(body: BodyModel, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Metres from sole to crown (N,) of the shapes betas (N,10), and what they change with each beta (N,10)."""
    directions = body.skin.shapedirs[:, 1]
    heights = body.skin.template[:, 1] + betas @ directions.T
    crown, sole = heights.argmax(1), heights.argmin(1)
    rows = torch.arange(len(betas), device=betas.device)
    return heights[rows, crown] - heights[rows, sole], directions[crown] - directions[sole]


def of_stature(body: BodyModel, betas: torch.Tensor, metres: float) -> torch.Tensor:
    """The shape (1,10) of that stature that is nearest to betas (1,10), but no farther than REACH from the mean."""
    for _ in range(ROUNDS):
        height, slope = stature(body, betas)
        betas = betas + (metres - height)[:, None] * slope / (slope**2).sum(1, keepdim=True)
        betas = betas * (REACH / betas.norm(dim=1, keepdim=True)).clamp(max=1.0)
    return betas


def sized(body: BodyModel, metres: float) -> BodyModel:
    """The body itself if a shape of it is so tall; else, for children and giants, made smaller or larger as a whole until one is."""
    usual = torch.zeros_like(body.J_shapedirs[:1, 0])
    nearest = float(stature(body, of_stature(body, usual, metres))[0])
    return body if abs(nearest - metres) < EXACT_M else body.scaled(metres / nearest)


def fit_shape(body: BodyModel, measures: Measures | dict[str, float]) -> np.ndarray:
    """Betas (10,) of the most usual shape with these measures; any of them may be left out.

    Least squares in standard deviations (Gauss-Newton within REACH). Raises SkelError for an unknown measure, one that
    is no positive number, and when no shape within reach has them.
    """
    wanted = asdict(measures) if isinstance(measures, Measures) else dict(measures)
    for name, value in wanted.items():
        if name not in NAMES:
            raise SkelError("measure", f"There is no measure '{name}'.", f"Choose from: {', '.join(NAMES)}.")
        if not (np.isfinite(value) and value > 0):
            raise SkelError("measure", f"The measure '{name}' cannot be {value}.", "Give metres, and kilograms for the mass.")
    columns = [NAMES.index(name) for name in wanted]
    target = np.array(list(wanted.values()), dtype=float)
    unit = np.array([EXACT.get(name, 1e-3) for name in wanted])
    tape, betas = _Tape(body), np.zeros(10)
    for _ in range(ROUNDS):
        around = tape(np.vstack([betas, betas + 1e-3 * np.eye(10)]))[:, columns]
        slope = ((around[1:] - around[0]) / 1e-3 / unit).T
        step = np.linalg.solve(slope.T @ slope + np.eye(10), slope.T @ ((target - around[0]) / unit) - betas)
        before, betas = betas, betas + step
        betas = betas * min(1.0, REACH / max(np.linalg.norm(betas), 1e-9))
        if np.abs(betas - before).max() < 1e-5:
            break
    reached = tape(betas[None])[0, columns]
    allowed = np.array([TOLERANCE.get(name, 5e-3) for name in wanted])
    if (np.abs(reached - target) > allowed).any():
        raise SkelError("measure", f"No body of {body.name} has {_said(wanted, target)}; the nearest has {_said(wanted, reached)}.",
                        "Check the measures, or give fewer of them.")  # fmt: skip
    return betas


def _said(names: dict[str, float], values: np.ndarray) -> str:
    words = {name: f"{value:.1f} kg" if name == "mass" else f"{value:.3f} m" for name, value in zip(names, values)}
    return ", ".join(f"{name.replace('_', ' ')} {word}" for name, word in words.items())


class _Tape:
    """Where to measure a body: vertices are chosen once, on its mean shape."""

    def __init__(self, body: BodyModel) -> None:
        self.template, self.directions = body.skin.template.cpu().double().numpy(), body.skin.shapedirs.cpu().double().numpy()
        self.triangles = body.triangles
        self.crotch = self._find_crotch(body)
        self.deltoids = [_Deltoid(body, self.template, side) for side in "rl"]

    def _find_crotch(self, body: BodyModel) -> int:
        """Lowest vertex that both thighs pull alike."""
        weights = body.skin.weights.cpu().double().numpy()
        right, left = weights[:, JOINT_INDEX["femur_r"]], weights[:, JOINT_INDEX["femur_l"]]
        between = (np.abs(right - left) < 0.15) & (right + left > 0.02)
        hips = body.J_template[JOINT_INDEX["femur_r"], 1].item()
        between &= (np.abs(self.template[:, 0]) < 0.03) & (np.abs(self.template[:, 1] - hips) < 0.25)
        if not between.any():
            raise SkelError("measure", f"The skin of {body.name} has no crotch to measure.", "Use a SKEL body or the open body.")
        ids = np.where(between)[0]
        return int(ids[self.template[ids, 1].argmin()])

    def __call__(self, betas: np.ndarray) -> np.ndarray:
        """(N,5) measures of shapes betas (N,10), in the order of NAMES."""
        result = []
        for one in betas:
            skin = self.template + self.directions @ one
            low, a, b, c = skin[:, 1].min(), *(skin[self.triangles[:, k]] for k in range(3))
            volume = (a * np.cross(b, c)).sum() / 6
            breadth = sum(deltoid.reach(skin, one) for deltoid in self.deltoids)
            result.append([skin[:, 1].max() - low, skin[self.crotch, 1] - low, np.ptp(skin[:, 0]), breadth, DENSITY * volume])
        return np.array(result)


class _Deltoid:
    """One shoulder, its arm turned down by HANGING about the shoulder joint."""

    def __init__(self, body: BodyModel, template: np.ndarray, side: str) -> None:
        arm = [JOINT_INDEX[f"{name}_{side}"] for name in ("humerus", "ulna", "radius", "hand")]
        weights = body.skin.weights.cpu().double().numpy()
        joints = body.J_template.cpu().double().numpy()
        self.joint, self.directions = joints[arm[0]], body.J_shapedirs.cpu().double().numpy()[arm[0]]
        self.sign = 1.0 if side == "l" else -1.0
        along = self.sign * (template[:, 0] - self.joint[0]) / np.linalg.norm(joints[arm[1]] - joints[arm[0]])
        near = (along > -0.3) & (along < 0.45) & (np.abs(template[:, 1] - self.joint[1]) < 0.15)
        self.ids = np.where(near & (weights[:, arm[1:]].sum(1) < 0.01))[0]
        self.share = weights[self.ids][:, arm].sum(1)

    def reach(self, skin: np.ndarray, betas: np.ndarray) -> float:
        """Metres from the mid-plane to the outermost point of skin (V,3) in the T pose."""
        joint = self.joint + self.directions @ betas
        x, y = (skin[self.ids, :2] - joint[:2]).T
        turned = joint[0] + np.cos(HANGING) * x + self.sign * np.sin(HANGING) * y
        return float((self.sign * ((1 - self.share) * skin[self.ids, 0] + self.share * turned)).max())
