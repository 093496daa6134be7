# SPDX-License-Identifier: GPL-3.0-or-later
"""A first bone map: a generated Rigify rig is known, else names tell, and where they don't, the shape of the rest pose does."""

from __future__ import annotations

from . import names, places, rigify
from .skeleton import Skeleton
from .slots import BY_NAME, SLOTS, Mapping


def guess(skeleton: Skeleton) -> Mapping:
    """Slot -> bone for every part that could be found, in the order of the slots."""
    if rigify.is_generated(set(skeleton.names)):
        found = rigify.mapping(set(skeleton.names))
    else:
        found = names.guess(skeleton)
        if missing(found | places.trunk(skeleton, found)):
            by_place = places.guess(skeleton)
            found |= {slot: bone for slot, bone in by_place.items() if slot not in found and bone not in found.values()}
        found |= places.trunk(skeleton, found)
    return {slot.name: found[slot.name] for slot in SLOTS if slot.name in found}


def missing(mapping: Mapping) -> list[str]:
    """Titles of the needed parts that have no bone."""
    return [slot.title for slot in BY_NAME.values() if slot.needed and not mapping.get(slot.name)]
