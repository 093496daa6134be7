# SPDX-License-Identifier: GPL-3.0-or-later
"""A first bone map: a generated Rigify rig is known, else names tell, and where they don't, the shape of the rest pose does."""

from __future__ import annotations

from . import names, places, rigify, slots
from .skeleton import Skeleton
from .slots import BY_NAME, SLOTS, Mapping

_ARMS = [f"{part}_{side}" for part in slots.ARM[1:] for side in slots.SIDES]


def guess(skeleton: Skeleton) -> Mapping:
    """Slot -> bone for every part that could be found, in the order of the slots."""
    if rigify.is_generated(set(skeleton.names)):
        found = rigify.mapping(set(skeleton.names))
    else:
        found = names.guess(skeleton)
        if missing(found | places.trunk(skeleton, found)) or any(slot not in found for slot in _ARMS):
            by_place = _turned_as(found, places.guess(skeleton))
            for side in slots.SIDES:
                if not {f"thigh_{side}", f"shin_{side}"} & set(found) and f"foot_{side}" in by_place:
                    found = {slot: bone for slot, bone in found.items() if slot not in (f"foot_{side}", f"toe_{side}")}  # a whole leg
            found |= {slot: bone for slot, bone in by_place.items() if slot not in found and bone not in found.values()}
        found |= places.trunk(skeleton, found)
    if found.get("root") == found.get("hips"):  # 'root' is what some call the hips
        found.pop("root", None)
    return {slot.name: found[slot.name] for slot in SLOTS if slot.name in found}


def _turned_as(named: Mapping, by_place: Mapping) -> Mapping:
    """What places tell, with left and right changed over where names say that they are."""
    ends = {"_l": "_r", "_r": "_l"}
    other = {slot[:-2] + ends.get(slot[-2:], slot[-2:]): bone for slot, bone in by_place.items()}
    alike, crossed = (sum(named.get(slot) == bone for slot, bone in mapping.items()) for mapping in (by_place, other))
    return other if crossed > alike else by_place


def missing(mapping: Mapping) -> list[str]:
    """Titles of the needed parts that have no bone."""
    return [slot.title for slot in BY_NAME.values() if slot.needed and not mapping.get(slot.name)]
