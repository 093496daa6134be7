# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays out of an npz, checked: every kind of bad file has its sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skel_blender.engine.imports.containers import read_tree
from skel_blender.engine.imports.motion import nearest_rotations, rotation_matrices
from skel_blender.messages import SkelError


class Arrays:
    """The entries of one file, or of a dict in one. `what` says in messages what that should be; `count` is the number of its rows, once
    known."""

    def __init__(self, path: Path, what: str, tree: dict[str, Any], count: int = -1) -> None:
        self.path, self.what, self.tree, self.count = path, what, tree, count

    @classmethod
    def read(cls, path: Path, what: str) -> Arrays:
        """Of a file. Raises SkelError with one sentence for one without named arrays."""
        tree = read_tree(path, what)
        if not isinstance(tree, dict):
            raise SkelError("bad_file", f"{path} holds no named arrays, where {what} was expected.", "Give an .npz.")
        return cls(path, what, tree)

    def __contains__(self, key: str) -> bool:
        return key in self.tree

    def first(self, *keys: str) -> str | None:
        """The first of these names that the file has."""
        return next((key for key in keys if key in self.tree), None)

    def numbers(self, key: str, *shape: int | None, holes: bool = False) -> np.ndarray:
        """An entry as float64 of a shape after its rows, (N,*shape); None fits any length. `holes`: NaN is allowed."""
        value = self._entry(key)
        value = np.asarray(value)
        fits = value.ndim == 1 + len(shape) and all(want in (None, have) for want, have in zip(shape, value.shape[1:]))
        if value.dtype.kind not in "fiub" or not fits:
            wanted = " x ".join(["N", *("any" if n is None else str(n) for n in shape)])
            have = " x ".join(map(str, value.shape)) + (f" of {value.dtype}" if value.dtype.kind not in "fiub" else "")
            raise SkelError("bad_file", f"In {self.path} the array '{key}' must be {wanted} numbers, not {have}.",
                            "Write it again; docs/evaluate.md has the layout.")  # fmt: skip
        self._rows(key, len(value))
        bad = ~np.isfinite(value.reshape(len(value), -1)).all(1)
        if bad.any() and not holes:
            raise SkelError("bad_file", f"In {self.path} the array '{key}' has no number (NaN or infinity) in row {int(bad.argmax())}.",
                            "Leave out or fix such rows.")  # fmt: skip
        return value.astype(np.float32 if value.dtype == np.float32 and value.size > 1 << 24 else float)

    def text(self, key: str) -> np.ndarray:
        """An entry of names (N,), bytes or strings."""
        value = np.atleast_1d(np.asarray(self._entry(key), dtype=object))
        self._rows(key, len(value))
        return np.array([name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in value.ravel()])

    def rotations(self, key: str, joints: int) -> np.ndarray:
        """An entry of `joints` rotations in each row, as axis times angle or as matrices -> (N,joints,3,3)."""
        value = np.asarray(self._entry(key))
        size = value[0].size if value.ndim > 1 and len(value) else 0
        if size not in (3 * joints, 9 * joints):
            have = " x ".join(map(str, value.shape))
            raise SkelError("bad_file", f"In {self.path} the array '{key}' must be {joints} rotations a row (axis times angle, matrices), "
                            f"not {have}.", "Write it again; docs/evaluate.md has the layout.")  # fmt: skip
        flat = self.numbers(key, *value.shape[1:]).astype(float)
        if size == 9 * joints:
            return nearest_rotations(flat.reshape(-1, joints, 3, 3), str(self.path))
        return rotation_matrices(flat.reshape(-1, joints, 3))

    def betas(self) -> np.ndarray:
        """(N,10) shapes; one shape (10,) stands for all rows."""
        value = np.asarray(self._entry("betas"))
        if value.shape == (10,) and self.count >= 0:
            self.tree["betas"] = np.tile(value, (self.count, 1))
        return self.numbers("betas", 10)

    def _entry(self, key: str) -> Any:
        if key not in self.tree:
            raise SkelError("bad_file", f"{self.path} has no array '{key}', which {self.what} must have.",
                            "docs/evaluate.md has the layout.")  # fmt: skip
        return self.tree[key]

    def _rows(self, key: str, count: int) -> None:
        if self.count < 0:
            self.count = count
        if count != self.count:
            raise SkelError("bad_file", f"In {self.path} the array '{key}' has {count} rows, others have {self.count}.",
                            "Every array must have a row for each picture.")  # fmt: skip
        if count == 0:
            raise SkelError("bad_file", f"{self.path} has no rows.", "Give a file with at least one picture.")
