# SPDX-License-Identifier: GPL-3.0-or-later
"""Holders of what a pickle says about an array, and the arrays made of them. Nothing here trusts the file (see unpickle.py)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse


class Refused(Exception):
    """A pickle asks for something that no model file needs; the text completes 'is refused because'."""


class Holder:
    """An object whose class is not loaded: only what the file says about it. A file can set nothing but `state`, once."""

    __slots__ = ("state",)

    def __new__(cls) -> Holder:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        if hasattr(self, "state"):
            raise Refused("it sets an object's contents twice")
        object.__setattr__(self, "state", state)

    def __setattr__(self, name: str, value: object) -> None:
        raise Refused("it sets an object's attribute")

    def fields(self) -> dict[str, Any]:
        """The state as a dict; what is no dict is refused."""
        state = getattr(self, "state", {})
        if isinstance(state, tuple) and len(state) == 2:  # attributes and slots
            state = {**(state[0] or {}), **(state[1] or {})}
        if not isinstance(state, dict):
            raise Refused("an object's contents are no dict")
        return state


class Dtype(Holder):
    """numpy.dtype of plain numbers, strings or objects."""

    __slots__ = ("code",)

    def __new__(cls, code: object = None, *_align_and_copy: object) -> Dtype:
        made = super().__new__(cls)
        code = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if not isinstance(code, str) or code[:1] not in tuple("biufcSUaO") or not (code[1:] == "" or code[1:].isdigit()):
            raise Refused("an array's type is not one of numbers or strings")
        object.__setattr__(made, "code", code)
        return made

    def dtype(self) -> np.dtype:
        """The real type; of the state only the byte order counts."""
        state = getattr(self, "state", (3, "|"))
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        order = order.decode("ascii", "replace") if isinstance(order, bytes) else order
        if order not in ("<", ">", "=", "|"):
            raise Refused("an array's type has no byte order")
        return np.dtype(("" if order == "|" else order) + self.code)


class PlainArray(Holder):
    """numpy.ndarray: state is (version, shape, dtype, is_fortran, bytes or list)."""

    __slots__ = ()

    def array(self, seen: dict[int, Any]) -> Any:
        """The array, made of the file's bytes."""
        state = getattr(self, "state", None)
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Refused("an array's contents are incomplete")
        shape, dtype, fortran, raw = state[-4:]
        if not isinstance(dtype, Dtype):
            raise Refused("an array has no type")
        return _shaped(raw, dtype.dtype(), shape, "F" if fortran else "C", seen)


class Scalar(PlainArray):
    """One numpy number."""

    __slots__ = ()

    def array(self, seen: dict[int, Any]) -> Any:
        """The number."""
        return super().array(seen)[()]


class Sparse(Holder):
    """A scipy sparse matrix in one of the forms coo, csr, csc."""

    __slots__ = ()
    kind = ""

    def matrix(self, fields: dict[str, Any]) -> scipy.sparse.spmatrix:
        """The matrix, of fields that are plain already."""
        shape = fields.get("_shape", fields.get("shape"))
        if not isinstance(shape, tuple) or len(shape) != 2 or not all(isinstance(n, int | np.integer) and n >= 0 for n in shape):
            raise Refused("a sparse matrix has no shape")
        names = ("data", "row", "col") if self.kind == "coo" else ("data", "indices", "indptr")
        if self.kind == "coo" and isinstance(fields.get("coords"), tuple) and len(fields["coords"]) == 2:
            fields = {**fields, "row": fields["coords"][0], "col": fields["coords"][1]}
        data, first, second = (fields.get(name) for name in names)
        if not all(isinstance(part, np.ndarray) and part.ndim == 1 for part in (data, first, second)) or data.dtype.kind not in "biuf":
            raise Refused("a sparse matrix lacks its numbers")
        if not all(part.dtype.kind in "iu" for part in (first, second)):
            raise Refused("a sparse matrix's indices are no whole numbers")
        if self.kind == "coo":
            return scipy.sparse.coo_matrix((data, (first, second)), shape=shape)
        made = (scipy.sparse.csc_matrix if self.kind == "csc" else scipy.sparse.csr_matrix)((data, first, second), shape=shape)
        made.check_format(full_check=True)
        return made


class Chumpy(Holder):
    """A chumpy array: `x` holds a plain one; a Select picks entries of another array."""

    __slots__ = ()
    name = ""

    def array(self, fields: dict[str, Any]) -> Any:
        """The array, of fields that are plain already; the fields themselves where it is an expression that is not known here."""
        if isinstance(fields.get("x"), np.ndarray):
            return fields["x"]
        source, picked = fields.get("a"), fields.get("idxs")
        if not isinstance(source, np.ndarray) or not isinstance(picked, np.ndarray):
            return fields
        chosen = source.ravel()[picked.ravel()]
        shape = fields.get("preferred_shape")
        return chosen if shape is None else chosen.reshape([int(n) for n in np.ravel(shape)])


def decoded(text: object, codec: object = "latin1") -> bytes:
    """Bytes that Python 3 wrote as text for Python 2."""
    if isinstance(text, bytes | bytearray):
        return bytes(text)
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise Refused("it converts text")
    return text.encode("latin1")


def scalar(dtype: object, raw: object = b"") -> Scalar:
    """What numpy's function of this name would make one number of."""
    made = Scalar()
    made.__setstate__(((), dtype, False, raw))
    return made


def frombuffer(raw: object, dtype: object, shape: object, order: object = "C") -> PlainArray:
    """What numpy's function of this name would make an array of."""
    made = PlainArray()
    made.__setstate__((shape, dtype, order == "F", raw))
    return made


def _shaped(raw: object, dtype: np.dtype, shape: object, order: str, seen: dict[int, Any]) -> np.ndarray:
    shape = (shape,) if isinstance(shape, int) else shape
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise Refused("an array has no shape")
    if dtype.kind == "O":
        if not isinstance(raw, list) or len(raw) != math.prod(shape):
            raise Refused("an array of objects has no list")
        made = np.empty(len(raw), object)
        for row, item in enumerate(raw):
            made[row] = plain(item, seen)
        return made.reshape(shape, order=order)
    raw = decoded(raw)
    if len(raw) != math.prod(shape) * dtype.itemsize or dtype.itemsize == 0:
        raise Refused("an array's bytes do not fill its shape")
    return np.frombuffer(raw, dtype).reshape(shape, order=order).copy()


def plain(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """The value with every holder replaced by what it stands for; shared parts stay shared, and circles are refused."""
    seen = {} if seen is None else seen
    if not isinstance(value, Holder | dict | list | tuple):
        return value
    if id(value) not in seen:
        seen[id(value)] = _PENDING
        seen[id(value)] = _replaced(value, seen)
    if seen[id(value)] is _PENDING:
        raise Refused("its contents contain themselves")
    return seen[id(value)]


_PENDING = object()


def _replaced(value: Any, seen: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {plain(key, seen): plain(item, seen) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, seen) for item in value]
    if isinstance(value, tuple):
        return tuple(plain(item, seen) for item in value)
    if isinstance(value, PlainArray):
        return value.array(seen)
    if isinstance(value, Dtype):
        return value.dtype()
    fields = {key: plain(item, seen) for key, item in value.fields().items()}
    return value.matrix(fields) if isinstance(value, Sparse) else value.array(fields)
