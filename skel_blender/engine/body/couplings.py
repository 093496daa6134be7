# SPDX-License-Identifier: GPL-3.0-or-later
"""The translations that SKEL couples to angles, for batches, with their gradients: the spine's arcs and the shoulder blades' ellipsoid.

In the parent's frame (model axes). Arcs of constant curvature: bending u, extension w, length l give
l (-v(u), s(u) + s(w) - 2, -v(w)) with s(a) = sin a / a and v(a) = (1 - cos a) / a. Ellipsoid (Seth et al. 2016): abduction and
elevation move the blade on the thorax, scaled by the distance W of the blades and by the height h of the thorax's arc:
(side W/4 cos e cos a, -h/2 sin e, W/4 sin a), less its value at zero. So each number is a length of the rest skeleton times a fixed sum
of functions of angles, and both directions are products with that table, whose rows are all 24 joints' numbers, most of them zero.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from ...anatomy import ARCS, DOFS_OF_JOINT, ELLIPSOIDS, J
from ..memo import memoised

BENDS = [DOFS_OF_JOINT[joint][slot].index for slot in range(2) for joint in ARCS]  # u of three arcs, then w
BLADES = [DOFS_OF_JOINT[joint][slot].index for slot in range(2) for joint in ELLIPSOIDS]  # abduction of two blades, then elevation
BLADE_SIGNS = [-side for side in ELLIPSOIDS.values()] * 2  # what BLADES' angles are multiplied by
BLADE_STARTS = [0.0, 0.0, -math.pi / 4, -math.pi / 4]  # and where they start
LENGTHS = 5  # three arcs, W, h
_SERIES = 0.2  # rad; below this derivatives come from their series, whose next term is under 1e-12
_SINC_SERIES = (-1 / 3, 1 / 30, -1 / 840, 1 / 45360, -1 / 3991680)  # of s'(a) / a in powers of a^2
_VERSINE_SERIES = (1 / 2, -1 / 8, 1 / 144, -1 / 5760, 1 / 403200)  # of v'(a)
_HALF = math.sqrt(0.5)


def span_rows() -> torch.Tensor:
    """(15,72): rest joints, as 72 numbers, to the five vectors whose lengths scale the shifts; an arc's is its rise alone."""
    rows = torch.zeros(LENGTHS, 3, J, 3, dtype=torch.float64)
    for row, (bottom, top) in enumerate([*ARCS.values(), tuple(ELLIPSOIDS), ARCS[12]]):
        for axis in (1,) if row < len(ARCS) else (0, 1, 2):
            rows[row, axis, top, axis], rows[row, axis, bottom, axis] = 1.0, -1.0
    return rows.view(3 * LENGTHS, 3 * J)


class _Tables(NamedTuple):
    sums: torch.Tensor  # (72,18) of the functions: s (6), v (6), cos e cos a (2), sin a (2), sin e (2)
    constants: torch.Tensor  # (72,1)
    onto_lengths: torch.Tensor  # (5,72) sums of the numbers that have the same length
    sinc_scales: torch.Tensor  # (2,1,1) torch.sinc takes angles in units of pi; whole and half
    length_of: torch.Tensor  # (72,) which length; the first where there is no shift
    series: tuple[torch.Tensor, ...]  # 5 of (2,1,1), of the derivatives
    slopes: torch.Tensor  # (30,20) of their derivatives: s' (6), v' (6), by a (4), by e (4), to the shifts' by the 10 angles
    slides_of: torch.Tensor  # (30,) which length


@memoised
def _tables(dtype: torch.dtype, device: torch.device) -> _Tables:
    sums, constants = torch.zeros(J, 3, 18, dtype=torch.float64), torch.zeros(J, 3, dtype=torch.float64)
    onto_lengths = torch.zeros(LENGTHS, J, 3, dtype=torch.float64)
    for k, joint in enumerate(ARCS):
        sums[joint, 0, 6 + k] = sums[joint, 2, 9 + k] = -1.0
        sums[joint, 1, k] = sums[joint, 1, 3 + k] = 1.0
        constants[joint, 1] = -2.0
        onto_lengths[k, joint] = 1.0
    for k, (joint, side) in enumerate(ELLIPSOIDS.items()):
        sums[joint, 0, 12 + k], constants[joint, 0] = 0.25 * side, -0.25 * side * _HALF
        sums[joint, 1, 16 + k], constants[joint, 1] = -0.5, -0.5 * _HALF
        sums[joint, 2, 14 + k] = 0.25
        onto_lengths[3, joint, [0, 2]] = onto_lengths[4, joint, 1] = 1.0
    sums, onto_lengths = sums.view(3 * J, 18), onto_lengths.view(LENGTHS, 3 * J)
    scales = torch.tensor([1 / math.pi, 0.5 / math.pi], dtype=torch.float64)[:, None, None]
    series = torch.tensor([_SINC_SERIES, _VERSINE_SERIES], dtype=torch.float64).t()[..., None, None]
    slopes, joints = _slopes(sums.view(J, 3, 18))
    length_of = onto_lengths.argmax(0)
    parts = (sums, constants.view(-1, 1), onto_lengths, scales, series, slopes)
    *real, series, slopes = (values.to(device=device, dtype=dtype).contiguous() for values in parts)
    slides_of = length_of.view(J, 3)[joints].flatten()
    return _Tables(*real, length_of.to(device), series.unbind(0), slopes, slides_of.to(device))


def _slopes(sums: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """(30,20), and whose shift each of the ten angles is part of; `sums` (24,3,18)."""
    joints = [*(list(ELLIPSOIDS) * 2), *(list(ARCS) * 2)]
    result = torch.zeros(len(joints), 3, 20, dtype=torch.float64)
    for blade, joint in enumerate(ELLIPSOIDS):
        for angle, (of_product, of_turn, turn) in enumerate(((12, 14, 14), (16, 18, 16))):
            row = result[2 * angle + blade]
            row[:, of_product + blade] = BLADE_SIGNS[blade] * sums[joint, :, 12 + blade]
            row[:, of_turn + blade] = BLADE_SIGNS[blade] * sums[joint, :, turn + blade]
    for bend in range(len(BENDS)):
        for part in (bend, len(BENDS) + bend):
            result[len(BLADES) + bend, :, part] = sums[joints[len(BLADES) + bend], :, part]
    return result.flatten(0, 1), joints


class Coupled(NamedTuple):
    """What `coupled_gradients` needs to know of `coupled_offsets`; all of it tensors."""

    spans: torch.Tensor  # (5,3,N) m
    lengths: torch.Tensor  # (5,N) m
    unit: torch.Tensor  # (72,B)
    arcs: torch.Tensor  # (2,6,B) s and v
    sines: torch.Tensor  # (10,B) of the angles of BLADES and BENDS
    cosines: torch.Tensor  # (10,B)


def coupled_offsets(
    offsets: torch.Tensor, bends: torch.Tensor, sines: torch.Tensor, cosines: torch.Tensor, spans: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, Coupled]:
    """(24,3,B) m offsets from the parents, (24,3,N) m, with their shifts.

    Angles (6,B) of BENDS, sines and cosines (10,B) of BLADES and BENDS, spans (5,3,N) m, their lengths (5,N).
    """
    table = _tables(bends.dtype, bends.device)
    arcs = torch.sinc(bends * table.sinc_scales)
    arcs[1].square_().mul_(bends).mul_(0.5)
    functions = torch.cat([arcs.flatten(0, 1), cosines[:2] * cosines[2:4], sines[:4]])
    unit = torch.addmm(table.constants, table.sums, functions)
    shifted = torch.addcmul(offsets, unit.view(J, 3, bends.shape[1]), lengths.index_select(0, table.length_of).view(J, 3, lengths.shape[1]))
    return shifted, Coupled(spans, lengths, unit, arcs, sines, cosines)


def coupled_gradients(bends: torch.Tensor, push: torch.Tensor, kept: Coupled) -> tuple[torch.Tensor, torch.Tensor]:
    """Derivatives by the angles (10,B) of BLADES and BENDS, and by the spans (5,3,B), of gradients (24,3,B) by the offsets."""
    table = _tables(bends.dtype, bends.device)
    push = push.flatten(0, 1)
    by_lengths = torch.matmul(table.onto_lengths, push * kept.unit)
    by_spans = (by_lengths / kept.lengths).unsqueeze(1) * kept.spans
    by_functions = torch.matmul(table.sums.t(), push * kept.lengths.index_select(0, table.length_of))
    on_arcs, on_product, on_turns = by_functions.split_with_sizes([12, 2, 4])
    by_bends = (on_arcs.view_as(kept.arcs) * _arc_slopes(table, bends, kept)).sum(0)
    sines, cosines = kept.sines[:4], kept.cosines[:4]
    by_turns = (on_turns * cosines).addcmul_(torch.cat([on_product, on_product]) * sines, cosines.roll(2, 0), value=-1)
    return torch.cat([by_turns, by_bends]), by_spans


def coupled_slides(bends: torch.Tensor, kept: Coupled) -> torch.Tensor:
    """(10,3,B) m/rad: how the shift of its joint answers to each angle of BLADES and BENDS."""
    table = _tables(bends.dtype, bends.device)
    (sa, se), (ca, ce) = kept.sines[:4].split(2), kept.cosines[:4].split(2)
    derivatives = torch.cat([_arc_slopes(table, bends, kept).flatten(0, 1), -ce * sa, ca, -se * ca, ce])
    return (torch.matmul(table.slopes, derivatives) * kept.lengths.index_select(0, table.slides_of)).unflatten(0, (-1, 3))


def coupled_by_betas(kept: Coupled, spans_by_betas: torch.Tensor) -> torch.Tensor:
    """(24,3,10,B) derivatives of the shifts by betas; spans_by_betas (5,3,10)."""
    table = _tables(kept.unit.dtype, kept.unit.device)
    by_betas = torch.einsum("lin,lik->lkn", kept.spans / kept.lengths.unsqueeze(1), spans_by_betas)
    return kept.unit.view(J, 3, 1, kept.unit.shape[1]) * by_betas.index_select(0, table.length_of).unflatten(0, (J, 3))


def _arc_slopes(table: _Tables, angle: torch.Tensor, kept: Coupled) -> torch.Tensor:
    """(2,6,B) derivatives of sin(a)/a and of (1 - cos a)/a, exact through zero."""
    square = angle * angle
    series = table.series[-1]
    for coefficient in table.series[-2::-1]:
        series = torch.addcmul(coefficient, series, square)
    series.select(0, 0).mul_(angle)
    small = square < _SERIES * _SERIES
    exact = (torch.stack([kept.cosines[4:], kept.sines[4:]]) - kept.arcs) / (angle + small)  # any divisor but zero where it is not used
    return torch.where(small, series, exact)
