# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in an FBX file, without an importer's interpretation: elements as Blender's own reader of the container gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from io_scene_fbx import parse_fbx  # Blender brings it


def tree(path: Path) -> Any:
    """The root element: each has `id`, `props` and `elems`."""
    return parse_fbx.parse(str(path))[0]


def section(element: Any, name: bytes) -> Any:
    """The first element of that name right below."""
    return next(each for each in element.elems if each.id == name)


def properties(element: Any) -> dict[str, list[Any]]:
    """Name -> values of an element's Properties70."""
    block = next((each for each in element.elems if each.id == b"Properties70"), None)
    return {} if block is None else {each.props[0].decode(): each.props[4:] for each in block.elems}


def objects(root: Any, kind: bytes, sort: bytes | None = None) -> Iterator[tuple[int, str, Any]]:
    """Number, name and element of the objects of a kind, such as b'Model', and sort, such as b'LimbNode'."""
    for each in section(root, b"Objects").elems:
        if each.id == kind and (sort is None or each.props[2] == sort):
            yield each.props[0], each.props[1].split(b"\0")[0].decode(), each


def above(root: Any) -> dict[int, list[int]]:
    """Number of an object -> those that it is connected to."""
    result: dict[int, list[int]] = {}
    for each in section(root, b"Connections").elems:
        result.setdefault(each.props[1], []).append(each.props[2])
    return result


def clusters(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Bone -> numbers and weights of the vertices that it moves, of a file's only skin."""
    root = tree(path)
    bones, owners = {number: name for number, name, _ in objects(root, b"Model", b"LimbNode")}, above(root)
    moving = {owner: bones[number] for number in bones for owner in owners[number]}
    result = {}
    for number, _, element in objects(root, b"Deformer", b"Cluster"):
        found = {each.id: np.array(each.props[0]) for each in element.elems if each.id in (b"Indexes", b"Weights")}
        if found:
            result[moving[number]] = found[b"Indexes"], found[b"Weights"]
    return result
