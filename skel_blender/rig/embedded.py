# SPDX-License-Identifier: GPL-3.0-or-later
"""The Take inside the .blend file: it is saved, appended and linked with the collection that was built from it.

Its bytes are a custom property of a palette without colours, to which the collection points. No editor draws that property, undo and files
treat it as any other data, and once nothing points to it any more Blender leaves it out of the file. (It was a mesh before: of such a one
Blender makes an object where the collection is appended or linked.)
"""

from __future__ import annotations

import bpy

from .. import take as takes
from ..take import Take

DATA, _BYTES = "skel_take_data", "skel_bytes"


def embed(collection: bpy.types.Collection, take: Take) -> None:
    """Keep a Take in the file, in place of the one that the take's collection had."""
    holder = collection.get(DATA)
    if holder is None or holder.library is not None or holder.users > 1:  # a duplicate of the collection has the Take as it was
        holder = bpy.data.palettes.new(f"{collection.name}.npz")
        holder.use_fake_user = False
        collection[DATA] = holder
    if _BYTES in holder:
        del holder[_BYTES]  # over bytes that are there, Blender 4.5 writes new ones as text, up to the first zero
    holder[_BYTES] = takes.dumps(take)


def data_of(collection: bpy.types.Collection) -> bytes | None:
    """The bytes of the Take's file, None if it is not there."""
    holder = collection.get(DATA)
    return bytes(holder[_BYTES]) if holder is not None and _BYTES in holder else None

