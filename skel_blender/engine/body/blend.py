# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear blend skinning for batches, v = sum_j w_vj (R_j x_v + t_j), in pieces that stay in the processor's cache.

A vertex's blended transform is a row of weights times the 24 transforms, so a piece is one product that gives twelve planes of one
number per vertex, and sums over planes. The backward pass makes the planes again instead of keeping them: they are four times
the size of the skin.
"""

from __future__ import annotations

from typing import Any

import torch

_PIECE = 1 << 18  # numbers per plane on a processor: twelve such planes of a few poses fit into its cache
_PIECE_DEVICE = 1 << 24


def blend(transforms: torch.Tensor, points: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Skin B poses: transforms (24,3,4,B) that act on the rest pose, points (N,3,V) with N 1 or B, weights (24,V) -> (B,V,3).

    Differentiable once, by transforms and points.
    """
    return _Blend.apply(transforms, points, weights)


def _pieces(batch: int, weights: torch.Tensor) -> list[slice]:
    size = max(1, (_PIECE if weights.device.type == "cpu" else _PIECE_DEVICE) // (12 * weights.shape[1]))
    return [slice(start, min(start + size, batch)) for start in range(0, batch, size)]


def _piece_of(points: torch.Tensor, piece: slice) -> torch.Tensor:
    return points if len(points) == 1 else points[piece]


class _Blend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, transforms: torch.Tensor, points: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        batch, verts = transforms.shape[-1], weights.shape[1]
        rows = transforms.permute(3, 2, 1, 0).flatten(1, 2)  # column, then row, of each 3 x 4
        result = points.new_empty(batch, verts, 3)
        for piece in _pieces(batch, weights):
            planes = (rows[piece].reshape(-1, rows.shape[-1]) @ weights).view(-1, 4, 3, verts)
            at = _piece_of(points, piece)
            moved = planes[:, 3]
            for axis in range(3):
                moved = moved.addcmul_(planes[:, axis], at[:, axis : axis + 1])
            result[piece] = moved.mT
        ctx.save_for_backward(rows, points, weights)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_result: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, points, weights = ctx.saved_tensors
        batch, verts = len(rows), weights.shape[1]
        by_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        by_points = torch.zeros_like(points) if ctx.needs_input_grad[1] else None
        for piece in _pieces(batch, weights):
            pull = by_result[piece].mT.contiguous()
            at = _piece_of(points, piece)
            if by_rows is not None:
                planes = pull.new_empty(len(pull), 4, 3, verts)
                torch.mul(at[:, :, None], pull[:, None], out=planes[:, :3])
                planes[:, 3] = pull
                by_rows[piece] = (planes.view(-1, verts) @ weights.t()).view(-1, 12, rows.shape[-1])
            if by_points is not None:
                turned = (rows[piece, :9].reshape(-1, rows.shape[-1]) @ weights).view(-1, 3, 3, verts)
                pulled = turned.mul_(pull[:, None]).sum(2)
                if len(points) == 1:
                    by_points += pulled.sum(0, keepdim=True)
                else:
                    by_points[piece] = pulled
        by_transforms = None if by_rows is None else by_rows.unflatten(1, (4, 3)).permute(3, 2, 1, 0)
        return by_transforms, by_points, None
