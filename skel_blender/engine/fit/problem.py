# SPDX-License-Identifier: GPL-3.0-or-later
"""A fit as the solver sees it: the evidence by limb, and the normal equations at a state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch

from ..body import BodyModel
from ..body.chain import Posed, point_jacobians, point_shape_jacobians, pose_chain, pose_points
from ..body.points import TRANS, Points, limbs_of
from ..body.skeleton import Shape
from .capsules import Capsules, capsules
from .config import Config
from .mass import centre_of_mass, point_masses
from .normal import NormalEquations, S
from .observations import Observations, View

ARM_M = 0.5  # long enough that its end's travel tells a turn from rounding
CHUNK = 500  # frames whose Jacobians are in memory at a time
_NEAREST_M = 0.3
_PACE_S = 0.15  # either way, over which a speed is told
_REACH = 2  # frames after its own that a chunk poses, for the rows that couple frames


@dataclass(frozen=True)
class Limb:
    """The points of one kind that one limb moves."""

    points: Points
    numbers: list[int]  # their numbers among all of that kind
    columns: list[int]  # of a frame's state, that move them


@dataclass(frozen=True)
class Chunk:
    """Consecutive frames, posed: `count` of its own from `start` on, and up to two more. What terms ask for twice is kept."""

    start: int
    count: int
    owner: torch.Tensor
    shape: Shape
    posed: Posed
    _kept: dict[tuple[str, int], object] = field(default_factory=dict)

    @property
    def own(self) -> slice:
        """Its own frames among all."""
        return slice(self.start, self.start + self.count)

    def part(self, frames: slice | torch.Tensor) -> Posed:
        """The chains of some of its frames."""
        kept = {f.name: getattr(self.posed, f.name) for f in fields(Posed)}
        return Posed(**{name: None if value is None else value[frames] for name, value in kept.items()})

    def place(self, limb: Limb) -> torch.Tensor:
        """(f,K,3) m where points are."""
        return self._placed(limb)[0]

    def by_state(self, limb: Limb) -> torch.Tensor:
        """(f,K,3,C) by the limb's columns."""
        return self._keep("state", limb, lambda: point_jacobians(self.posed, limb.points, self._placed(limb)[1], limb.columns))

    def by_betas(self, limb: Limb) -> torch.Tensor:
        """(f,K,3,10)."""
        return self._keep("betas", limb, lambda: point_shape_jacobians(self.posed, self.shape, limb.points, self._placed(limb)[1]))

    def _placed(self, limb: Limb) -> tuple[torch.Tensor, torch.Tensor]:
        return self._keep("place", limb, lambda: pose_points(self.shape, self.owner, self.posed, limb.points))

    def _keep(self, what: str, limb: Limb, make: Callable[[], Any]) -> Any:
        if (what, id(limb)) not in self._kept:
            self._kept[what, id(limb)] = make()
        return self._kept[what, id(limb)]


@dataclass
class Problem:
    """Body, evidence and weights. `depth` (F,) m is about how far people are: it turns pixels into metres; `pace` (F,) m/s, how fast
    they come or go."""

    body: BodyModel
    observations: Observations
    config: Config
    depth: torch.Tensor
    pace: torch.Tensor
    owner: torch.Tensor
    sight: tuple  # terms of posed points, taken chunk by chunk
    priors: tuple  # terms of the unknowns, taken whole
    _limbs: dict[int, list[Limb]] = field(default_factory=dict)

    @property
    def people(self) -> int:
        """N."""
        return len(self.observations.lengths)

    @property
    def n_shared(self) -> int:
        """Betas, and the logarithm of the focal length where it is estimated."""
        return self.body.J_shapedirs.shape[-1] + self.config.estimate_focal

    @cached_property
    def hips(self) -> Limb:
        """One point riding the pelvis, in the middle between the hip landmarks of the body at rest; root columns."""
        pair = self.body.markers.select(["left_hip", "right_hip"])
        point = Points.rigid(("hips",), torch.zeros_like(pair.joint[:1]), pair.template.mean(0)[None], pair.shapedirs.mean(0)[None])
        return Limb(point, [0], list(range(TRANS + 3)))

    @cached_property
    def pelvis(self) -> Limb:
        """The pelvis' own origin, by the root's columns."""
        origin = Points.rigid(("pelvis",), self.owner.new_zeros(1), self.body.J_template[:1], self.body.J_shapedirs[:1])
        return Limb(origin, [0], list(range(TRANS + 3)))

    @cached_property
    def around_pelvis(self) -> Limb:
        """Three points at ARM_M from it, along the axes of the T pose."""
        place = self.body.J_template[:1] + ARM_M * torch.eye(3).to(self.body.J_template)
        points = Points.rigid(("x", "y", "z"), self.owner.new_zeros(3), place, self.body.J_shapedirs[:1].expand(3, -1, -1))
        return Limb(points, [0, 1, 2], self.pelvis.columns)

    @cached_property
    def masses(self) -> tuple[Points, torch.Tensor]:
        """Points that weigh what the body does, and their shares of it."""
        return point_masses(self.body)

    @cached_property
    def flights(self) -> list[tuple[int, int]]:
        """(first, end) of each spell of frames whose second difference belongs to one person in flight."""
        airborne = self.observations.airborne
        if airborne is None or len(airborne) < 3:
            return []
        flags = [False, *(airborne[1:-1] & (self.together(2) > 0)).tolist(), False]
        edges = [k for k in range(1, len(flags)) if flags[k] != flags[k - 1]]
        return list(zip(edges[::2], edges[1::2]))

    @cached_property
    def mass_centre(self) -> Limb:
        """The centre of mass, by all columns."""
        return Limb(centre_of_mass(self.body), [0], list(range(S)))

    @cached_property
    def capsules(self) -> Capsules:
        """Which points may not come into which parts of the body."""
        return capsules(self.body)

    def limbs(self, points: Points) -> list[Limb]:
        """Points by limb; worked out once."""
        if id(points) not in self._limbs:
            self._limbs[id(points)] = [Limb(points.select(numbers), numbers, columns) for numbers, columns in limbs_of(points)]
        return self._limbs[id(points)]

    def together(self, span: int) -> torch.Tensor:
        """(F-span,) 1 where frames t and t + span are of one person, else 0."""
        return (self.owner[span:] == self.owner[: len(self.owner) - span]).to(self.depth)

    def shared_rows(self, chunk: Chunk, by_betas: torch.Tensor, by_focal: torch.Tensor | None = None) -> torch.Tensor:
        """(..., n) derivatives by all shared unknowns: betas' (...,10) and, where it is estimated, the focal length's (...)."""
        if not self.config.estimate_focal:
            return by_betas
        last = torch.zeros_like(by_betas[..., 0]) if by_focal is None else by_focal
        return torch.cat([by_betas, last[..., None]], -1)

    def view(self, shared: torch.Tensor) -> View:
        """The camera at shared unknowns (N,n)."""
        view = self.observations.view
        if view is None or not self.config.estimate_focal:
            return view
        K = view.K.clone()
        K[..., [0, 1], [0, 1]] *= torch.exp(shared[0, -1])
        return replace(view, K=K)

    def assemble(self, state: torch.Tensor, shared: torch.Tensor) -> NormalEquations:
        """Normal equations at states (F,49) = (trans, poses) and shared unknowns (N,n)."""
        system = NormalEquations.zeros(self.owner, self.people, self.n_shared, state)
        shape = self.body.shape(shared[:, : self.body.J_shapedirs.shape[-1]])
        view = self.view(shared)
        for start in range(0, len(state), CHUNK):
            reach = slice(start, min(start + CHUNK + _REACH, len(state)))
            posed = pose_chain(shape, self.owner[reach], state[reach, 3:], state[reach, :3])
            chunk = Chunk(start, min(CHUNK, len(state) - start), self.owner[reach], shape, posed)
            seen = None if view is None else view.at(chunk.own)
            for term in self.sight:
                term(system, self, chunk, seen)
        for term in self.priors:
            term(system, self, state, shared)
        return system


def make_problem(body: BodyModel, observations: Observations, config: Config, state: torch.Tensor, sight: tuple,
                 priors: tuple) -> Problem:  # fmt: skip
    """A problem whose depths are those of the start, state (F,49)."""
    lengths = torch.tensor(observations.lengths, device=state.device)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=state.device), lengths)
    view = observations.view
    depth = torch.ones_like(state[:, 0]) if view is None else depth_of(view, state)
    pace = torch.zeros_like(depth) if view is None else pace_of(view, state, owner, observations.fps)
    return Problem(body, observations, config, depth, pace, owner, sight, priors)


def depth_of(view: View, state: torch.Tensor) -> torch.Tensor:
    """(F,) m, about how far a person is along the view."""
    return view.see(state[:, None, :3])[:, 0, 2].clamp(min=_NEAREST_M)


def pace_of(view: View, state: torch.Tensor, owner: torch.Tensor, fps: float) -> torch.Tensor:
    """(F,) m/s, about how fast a person goes along the view."""
    frames, reach = torch.arange(len(state), device=state.device), max(1, round(_PACE_S * fps))
    first = torch.searchsorted(owner, owner)
    last = torch.searchsorted(owner, owner, right=True) - 1
    before, after = torch.maximum(frames - reach, first), torch.minimum(frames + reach, last)
    went = ((state[after, :3] - state[before, :3]) * view.R[..., 2, :]).sum(-1)
    return went.abs() * fps / (after - before).clamp(min=1)
