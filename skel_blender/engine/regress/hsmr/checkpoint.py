# SPDX-License-Identifier: GPL-3.0-or-later
"""What an HSMR checkpoint must hold, every entry by name and shape; the network's size is read off the shapes.

All of it fits, or nothing is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from ....anatomy import J
from ....messages import SkelError
from ...body.skeleton import BETAS
from .archive import WHAT, Stored, read_archive
from .rotations import REP

GRID = (16, 12)  # patches of 16 px, down and across, that the backbone sees
PATCH = 16
_DROPPED = ("skel_model.",)  # the body that it was trained with; the user's own file is the body here
_SHOWN = 4  # names that an error lists
_LAYER = "head.transformer.transformer.layers"
_Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Size:
    """What shapes tell: of the backbone the width, depth and width of its MLPs; of the head its token, layers, MLPs and attention."""

    dim: int
    depth: int
    mlp: int
    token: int
    layers: int
    token_mlp: int
    inner: int

    def entries(self) -> _Shapes:
        """Names and shapes of all entries of a network of this size (HSMR; MIT)."""
        d, t, shapes = self.dim, self.token, {}
        shapes["backbone.pos_embed"] = (1, GRID[0] * GRID[1] + 1, d)
        _affine(shapes, "backbone.patch_embed.proj", (d, 3, PATCH, PATCH))
        for n in range(self.depth):
            block = f"backbone.blocks.{n}"
            _affine(shapes, f"{block}.norm1", (d,))
            _affine(shapes, f"{block}.attn.qkv", (3 * d, d))
            _affine(shapes, f"{block}.attn.proj", (d, d))
            _affine(shapes, f"{block}.norm2", (d,))
            _affine(shapes, f"{block}.mlp.fc1", (self.mlp, d))
            _affine(shapes, f"{block}.mlp.fc2", (d, self.mlp))
        _affine(shapes, "backbone.last_norm", (d,))
        shapes["head.transformer.pos_embedding"] = (1, 1, t)
        _affine(shapes, "head.transformer.to_token_embedding", (t, 1))
        for n in range(self.layers):
            for k in range(3):
                _affine(shapes, f"{_LAYER}.{n}.{k}.norm", (t,))
            shapes[f"{_LAYER}.{n}.0.fn.to_qkv.weight"] = (3 * self.inner, t)
            shapes[f"{_LAYER}.{n}.1.fn.to_kv.weight"] = (2 * self.inner, d)
            shapes[f"{_LAYER}.{n}.1.fn.to_q.weight"] = (self.inner, t)
            _affine(shapes, f"{_LAYER}.{n}.0.fn.to_out.0", (t, self.inner))
            _affine(shapes, f"{_LAYER}.{n}.1.fn.to_out.0", (t, self.inner))
            _affine(shapes, f"{_LAYER}.{n}.2.fn.net.0", (self.token_mlp, t))
            _affine(shapes, f"{_LAYER}.{n}.2.fn.net.3", (t, self.token_mlp))
        for name, count in (("poses", J * REP), ("betas", BETAS), ("cam", 3)):
            shapes[f"head.init_{name}"] = (1, count)
            _affine(shapes, f"head.{name}_decoder", (count, t))
        return shapes


def _affine(shapes: _Shapes, name: str, weight: tuple[int, ...]) -> None:
    shapes[name + ".weight"], shapes[name + ".bias"] = weight, weight[:1]


def size_of(shapes: _Shapes) -> Size:
    """The size that some entries tell; what is missing or odd counts as the released network's, so that the comparison names it."""

    def side(name: str, axis: int, else_: int) -> int:
        shape = shapes.get(name, ())
        return shape[axis] if len(shape) > axis and shape[axis] > 0 else else_

    def count(pattern: str, else_: int) -> int:
        found = {match[1] for match in map(re.compile(re.escape(pattern) + r"\.(\d+)\.").match, shapes) if match}
        return len(found) or else_

    dim = side("backbone.pos_embed", 2, 1280)
    token = side("head.transformer.pos_embedding", 2, 1024)
    return Size(
        dim, count("backbone.blocks", 32), side("backbone.blocks.0.mlp.fc1.weight", 0, 4 * dim),
        token, count(_LAYER, 6), side(f"{_LAYER}.0.2.fn.net.0.weight", 0, token), side(f"{_LAYER}.0.1.fn.to_q.weight", 0, 512),
    )  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """The entries of a checkpoint that fits, still in the file."""

    size: Size
    entries: dict[str, Stored]
    path: Path

    def read(self, name: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """One entry in memory. Raises SkelError if it holds values that are no numbers."""
        value = self.entries[name].read(dtype)
        if not bool(torch.isfinite(value.sum(dtype=torch.float32))):
            raise SkelError("bad_checkpoint", f"In {self.path} the entry '{name}' holds values that are not numbers.",
                            "Download the file again.")  # fmt: skip
        return value


def read_weights(path: Path | str) -> Weights:
    """The weights in a checkpoint. Raises SkelError as `read_archive` does, and for one that is not HSMR's or only in part: its sentence
    says which entries are missing, left over or of the wrong shape."""
    path, contents = Path(path), read_archive(path)
    state = contents.get("state_dict") if isinstance(contents, dict) else None
    if not isinstance(state, dict):
        raise SkelError("bad_checkpoint", f"{path} has no 'state_dict', which {WHAT} has.", "Check that it is the right file.")
    kept = {name: value for name, value in state.items() if not (isinstance(name, str) and name.startswith(_DROPPED))}
    stored = {name: value for name, value in kept.items() if isinstance(name, str) and isinstance(value, Stored)}
    shapes = {name: value.shape for name, value in stored.items()}
    size = size_of(shapes)
    wanted = size.entries()
    faults = [
        ("missing", [name for name in wanted if name not in kept]),
        ("left over", [str(name) for name in kept if name not in wanted]),
        ("of the wrong shape", [f"{name} ({_by(shapes[name])} instead of {_by(wanted[name])})"
                                for name in wanted if name in shapes and shapes[name] != wanted[name]]),
        ("no numbers", [name for name in wanted if name in kept and (name not in stored or not stored[name].is_floating_point)]),
    ]  # fmt: skip
    if any(names for _, names in faults):
        told = "; ".join(f"{len(names)} {fault}: {_listed(names)}" for fault, names in faults if names)
        raise SkelError("bad_checkpoint", f"{path} does not fit HSMR's network ({told}).", "Check that it is HSMR's released checkpoint.")
    return Weights(size, stored, path)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
