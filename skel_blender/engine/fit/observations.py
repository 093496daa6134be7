# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about people's motion, as tensors: the input of SKELify.

World: the body's model axes (x left, y up, z forward) with the floor at y = 0 where there is one. F frames of N people end to end.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch

from ...anatomy import Q
from ..body.points import Points


@dataclass(frozen=True)
class View:
    """A pinhole camera: a world point X is at R X + t in camera axes (OpenCV: x right, y down, z away).

    Each part is either the same in all frames, K (3,3) px, R (3,3), t (3,) m, or one for each of F frames: (F,3,3), (F,3,3), (F,3).
    """

    K: torch.Tensor
    R: torch.Tensor
    t: torch.Tensor

    def see(self, points: torch.Tensor) -> torch.Tensor:
        """World points (F,N,3) of the view's frames, or (1,N,3), in camera axes."""
        return points @ self.R.mT + self.t[..., None, :]

    @property
    def eye(self) -> torch.Tensor:
        """(3,) or (F,3) m, where the camera is in the world."""
        return -(self.t[..., None, :] @ self.R)[..., 0, :]

    @property
    def focal(self) -> torch.Tensor:
        """() or (F,) px, the mean of both axes."""
        return 0.5 * (self.K[..., 0, 0] + self.K[..., 1, 1])

    def at(self, frames: slice) -> View:
        """The view in some of its frames."""
        return View(*(part if part.dim() == least else part[frames] for part, least in ((self.K, 2), (self.R, 2), (self.t, 1))))


@dataclass(frozen=True)
class Girths:
    """How broad parts of one person's body are: slopes (K,10) m times his betas make metres (K,), each with its weight (K,) 0..1."""

    slopes: torch.Tensor
    metres: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Observations:
    """Evidence about F = sum(lengths) frames; a part that is None says nothing, a value that is not finite counts as unseen."""

    fps: float
    lengths: tuple[int, ...]  # consecutive frames of each person
    view: View | None = None
    keypoints_2d: torch.Tensor | None = None  # (F,K,3) px, px, confidence 0..1
    keypoint_points: Points | None = None  # what they are on the body
    landmarks_3d: torch.Tensor | None = None  # (F,L,3) m, camera axes, relative to the middle of the hips
    landmark_weight: torch.Tensor | None = None  # (F,L) 0..1
    landmark_points: Points | None = None
    targets: torch.Tensor | None = None  # (F,M,3) m, world
    target_weight: torch.Tensor | None = None  # (F,M), relative; 1 where None
    target_points: Points | None = None
    prior_poses: torch.Tensor | None = None  # (F,46) rad, what a regressor says
    prior_sigma: torch.Tensor | None = None  # (F,46) rad, and how sure it is
    prior_turns: torch.Tensor | None = None  # (F,3,3) likewise the pelvis' rotations from the T pose, world
    prior_turns_sigma: torch.Tensor | None = None  # (F,) rad
    contacts: torch.Tensor | None = None  # (F,C) 0..1, points that rest on the floor, y = 0,
    raised: torch.Tensor | None = None  # (F,C) bool, or those of them that rest on something else
    contact_points: Points | None = None  # the body's soles where None
    free_of_floor: torch.Tensor | None = None  # (F,C) bool, contact points that may be below it, as nobody saw them
    airborne: torch.Tensor | None = None  # (F,) bool: frames in which nothing but gravity acts on the body
    pins: torch.Tensor | None = None  # (F,D,3) m, world: an animator's word that a point is there; NaN elsewhere
    pin_points: Points | None = None
    fixed: torch.Tensor | None = None  # (F,) bool: frames that stay as they start
    statures: tuple[float | None, ...] = ()  # m from sole to crown, of each person; empty where nobody's is known
    midlines: torch.Tensor | None = None  # (F,M,3) lines n x = c in the image, unit n, px, on which points are seen; NaN: not seen
    midline_points: Points | None = None
    edges: torch.Tensor | None = None  # (F,11,4) px, two points of the outline of each part of blazepose.ACROSS; NaN: not seen
    girths: tuple[Girths, ...] = ()  # and what that says of each person's shape, see `outline`; empty where nothing does

    @property
    def frames(self) -> int:
        """F."""
        return sum(self.lengths)

    def checked(self) -> Observations:
        """The same with values that are not finite made unseen. Raises ValueError for parts that do not fit together."""
        self._check_shapes()
        changed = {}
        for values, weight in (("landmarks_3d", "landmark_weight"), ("targets", "target_weight")):
            value = getattr(self, values)
            if value is not None:
                given = getattr(self, weight)
                changed[values], changed[weight] = _finite(value, torch.ones_like(value[..., 0]) if given is None else given)
        if self.keypoints_2d is not None:
            pixels, confidence = _finite(self.keypoints_2d[..., :2], self.keypoints_2d[..., 2])
            changed["keypoints_2d"] = torch.cat([pixels, confidence[..., None]], -1)
        if self.contacts is not None:
            changed["contacts"] = torch.nan_to_num(self.contacts)
        if self.prior_poses is not None:
            known = torch.isfinite(self.prior_poses) & torch.isfinite(self.prior_sigma) & (self.prior_sigma > 0)
            changed["prior_poses"] = torch.where(known, self.prior_poses, 0.0)
            changed["prior_sigma"] = torch.where(known, self.prior_sigma, torch.inf)
        if self.prior_turns is not None:
            known = torch.isfinite(self.prior_turns).all(-1).all(-1) & torch.isfinite(self.prior_turns_sigma) & (self.prior_turns_sigma > 0)
            changed["prior_turns"] = torch.where(known[:, None, None], self.prior_turns, 0.0)
            changed["prior_turns_sigma"] = torch.where(known, self.prior_turns_sigma, torch.inf)
        return replace(self, **changed)

    def _check_shapes(self) -> None:
        if self.statures and len(self.statures) != len(self.lengths):
            raise ValueError(f"statures must be of {len(self.lengths)} people, not {len(self.statures)}")
        if self.girths and len(self.girths) != len(self.lengths):
            raise ValueError(f"girths must be of {len(self.lengths)} people, not {len(self.girths)}")
        pairs = [("keypoints_2d", "keypoint_points", 3), ("landmarks_3d", "landmark_points", 3), ("targets", "target_points", 3),
                 ("pins", "pin_points", 3), ("midlines", "midline_points", 3)]  # fmt: skip
        for values, points, width in pairs:
            value, of = getattr(self, values), getattr(self, points)
            if value is not None and (of is None or tuple(value.shape) != (self.frames, len(of), width)):
                expected = f"({self.frames}, {'K' if of is None else len(of)}, {width}) with {points}"
                raise ValueError(f"{values} must be {expected}, not {tuple(value.shape)}")
        if self.view is None and any(part is not None for part in (self.keypoints_2d, self.landmarks_3d, self.midlines)):
            raise ValueError("keypoints_2d, landmarks_3d and midlines need a view")
        for prior, sigma in (("prior_poses", "prior_sigma"), ("prior_turns", "prior_turns_sigma")):
            if (getattr(self, prior) is None) != (getattr(self, sigma) is None):
                raise ValueError(f"{prior} and {sigma} belong together")
        for name, value in ((f.name, getattr(self, f.name)) for f in fields(self)):
            if isinstance(value, torch.Tensor) and len(value) != self.frames:
                raise ValueError(f"{name} must have {self.frames} frames, not {len(value)}")
        if self.prior_poses is not None and self.prior_poses.shape[-1] != Q:
            raise ValueError(f"prior_poses must end in {Q} angles")


def _finite(values: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    known = torch.isfinite(values).all(-1) & torch.isfinite(weight)
    return torch.where(known[..., None], values, 0.0), torch.where(known, weight, 0.0).clamp(min=0.0)
