# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers of other programs' files. Each leaves the scene as it was and writes a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ..messages import SkelError
from ..rig.armature import object_mode


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which takes its place when all went well. Raises SkelError if Blender could not write."""
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        raise SkelError("unwritable", f"{path} could not be written ({reason}).",
                        "Choose another folder or make room on the disk.") from error  # fmt: skip
    finally:
        for leftover in (part, part.with_name(part.name + "@")):
            leftover.unlink(missing_ok=True)


@contextmanager
def only_selected(context: bpy.types.Context, objects: Iterable[bpy.types.Object]) -> Iterator[None]:
    """Select `objects` alone, in object mode; then selection, active object, mode and frame are as they were."""
    wanted, frame = set(objects), context.scene.frame_current
    with object_mode(context):
        for other in context.view_layer.objects:
            other.select_set(other in wanted, view_layer=context.view_layer)
        yield
    context.scene.frame_set(frame)


def rigs_and_meshes(collection: bpy.types.Collection) -> list[bpy.types.Object]:
    """The armatures of a take and what they move."""
    return [thing for thing in collection.all_objects if thing.type in {"ARMATURE", "MESH"}]
