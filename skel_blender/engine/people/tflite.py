# SPDX-License-Identifier: GPL-3.0-or-later
"""A TFLite model that does no more than is asked of it.

The file is a FlatBuffer (https://flatbuffers.dev/internals): tables of numbered fields, as TensorFlow's schema.fbs numbers them. Here the
lists of a graph's outputs and operators are made shorter in their place; what is left computes what it did.
"""

from __future__ import annotations

import numpy as np
from flatbuffers.table import Table

_GRAPHS = 2  # field of the model
_OUTPUTS, _OPERATORS = 2, 3  # fields of a graph
_READ, _WRITTEN = 1, 2  # fields of an operator: tensors


def without_output(content: bytes, index: int) -> bytes:
    """A model of one graph without one of its outputs, and without the operators that only this one needs."""
    data = np.frombuffer(bytearray(content), np.uint8)
    model = Table(data, int(data[:4].view("<u4")[0]))
    graph = Table(data, int(_places(data, _entries(model, _GRAPHS))[0]))
    outputs, operators = _entries(graph, _OUTPUTS), _entries(graph, _OPERATORS)
    left = np.delete(outputs[1:], index)
    places = _places(data, operators)
    needed, kept = set(left.tolist()), []
    for place in places[::-1]:
        operator = Table(data, int(place))
        if not needed.isdisjoint(_entries(operator, _WRITTEN)[1:].tolist()):
            needed.update(_entries(operator, _READ)[1:].tolist())
            kept.append(place)
    outputs[0], outputs[1 : 1 + len(left)] = len(left), left
    operators[1 : 1 + len(kept)] += (np.array(kept[::-1]) - places[: len(kept)]).astype(np.uint32)
    operators[0] = len(kept)
    return data.tobytes()


def _entries(table: Table, field: int) -> np.ndarray:
    """A field that is a list of numbers or of tables, in its place in the file: the count, then an offset or a number each."""
    start = table.Vector(table.Offset(4 + 2 * field)) - 4
    count = int(table.Bytes[start : start + 4].view("<u4")[0])
    return table.Bytes[start : start + 4 * (1 + count)].view("<u4")


def _places(data: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Where the tables of a list are in the file: an offset counts from its own place."""
    start = tables.ctypes.data - data.ctypes.data
    return start + 4 * np.arange(1, len(tables)) + tables[1:]
