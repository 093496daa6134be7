# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part a bone stands for, by how the bones hang together and where they are at rest: for rigs whose names say nothing.

A person who stands upright: the ends that are lowest are the toes, the highest is the crown, those farthest out to the sides are the
fingers. Legs part at the hips, arms at the chest; knees and elbows halve a limb.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from . import slots
from .skeleton import Skeleton
from .slots import Mapping

_SKIPPED = 0.85  # what a joint that a limb leaves out costs it
_STRAIGHT = 0.01  # rad, by which a bone that only twists bends a limb at most
_SAME = 0.02  # of the body's height: joints nearer to each other count as one place


def guess(skeleton: Skeleton) -> Mapping:
    """All parts that the shape tells; empty if it is no person's."""
    ends = [bone for bone, children in enumerate(skeleton.children) if not children and skeleton.parents[bone] >= 0]
    legs = _legs(skeleton, ends)
    if legs is None:
        return {}
    hips = _common(skeleton, *(foot[0] for foot in legs))
    found: Mapping = {"hips": skeleton.names[hips]}
    left = _left(skeleton, legs)
    for chain, side in zip(legs, _sided(skeleton, legs, left)):
        found |= {f"{part}_{side}": skeleton.names[bone] for part, bone in zip(slots.LEG, chain)}
    arms = _arms(skeleton, ends, hips, left)
    while not arms and skeleton.parents[hips] >= 0:  # a spine that does not hang on the pelvis
        hips = skeleton.parents[hips]
        arms = _arms(skeleton, ends, hips, left)
    for chain, side in zip(arms, _sided(skeleton, arms, left) if arms else ()):
        found |= {f"{part}_{side}": skeleton.names[bone] for part, bone in zip(slots.ARM, chain) if bone >= 0}
    return found


def trunk(skeleton: Skeleton, mapping: Mapping) -> Mapping:
    """Hips, spine, neck and head between the limbs of a mapping, as far as they are not in it."""
    index, found = skeleton.index, {}
    thighs = [mapping.get(f"thigh_{side}") for side in slots.SIDES]
    legs = _common(skeleton, *(index[thigh] for thigh in thighs)) if all(thighs) else -1
    if "hips" not in mapping and legs >= 0:
        found |= {"hips": skeleton.names[legs]}
    hips = index.get((mapping | found).get("hips"))
    arms = [mapping.get(f"shoulder_{side}") or mapping.get(f"upper_arm_{side}") for side in slots.SIDES]
    chest = _common(skeleton, *(index[arm] for arm in arms)) if all(arms) else -1
    head = index.get(mapping.get("head"))
    if head is None and chest >= 0:
        head = _head(skeleton, chest, {index[arm] for arm in arms})
        found |= {"head": skeleton.names[head]} if head is not None else {}
    if hips is None or head is None:
        return found
    if hips not in skeleton.path(head):  # spine and pelvis hang beside each other on what carries both
        both = _common(skeleton, hips, head)
        if both < 0:
            return found
        found |= {"hips": skeleton.names[both], "pelvis": skeleton.names[hips]}
        hips = both
    taken = set(mapping.values())
    way = [bone for bone in skeleton.path(head)[skeleton.path(head).index(hips) + 1 : -1] if skeleton.names[bone] not in taken]
    way = [bone for k, bone in enumerate(way) if k == 0 or not near(skeleton, bone, way[k - 1])]
    if legs in way and "pelvis" not in mapping | found:  # the legs hang on what looks like a spine, as Biped's do
        found |= {"pelvis": skeleton.names[legs]}
        way = way[way.index(legs) + 1 :]
    split = way.index(chest) + 1 if chest in way else max(1, len(way) - 1)
    for names, bones in ((slots.SPINE, way[:split]), (slots.NECK, way[split:])):
        found |= {slot: skeleton.names[bone] for slot, bone in zip(names, _spread(bones, len(names)))}
    return found


def _spread(bones: list[int], count: int) -> list[int]:
    """At most `count` of them, evenly, the last among them."""
    if len(bones) <= count:
        return bones
    return [bones[round((k + 1) * len(bones) / count) - 1] for k in range(count)]


def _common(skeleton: Skeleton, one: int, other: int) -> int:
    """The last bone that both hang on, -1 for none; of a bone and its own ancestor, that one's parent."""
    paths = [skeleton.path(bone)[:-1] for bone in (one, other)]
    shared = [a for a, b in zip(*paths) if a == b]
    return shared[-1] if shared else -1


def _size(skeleton: Skeleton) -> float:
    return float(np.ptp(skeleton.heads[:, 2])) or 1.0


def near(skeleton: Skeleton, one: int, other: int) -> bool:
    """Whether two bones begin at the same place."""
    return float(np.linalg.norm(skeleton.heads[one] - skeleton.heads[other])) < _SAME * _size(skeleton)


def _chain(skeleton: Skeleton, top: int, end: int) -> list[int]:
    """The bones below `top` down to `end`, of those at the same place the last."""
    way = skeleton.path(end)
    way = way[way.index(top) + 1 :] if top >= 0 else way
    return [bone for bone, after in zip(way, [*way[1:], -1]) if after < 0 or not near(skeleton, bone, after)]


def _legs(skeleton: Skeleton, ends: list[int]) -> list[list[int]] | None:
    """Two chains of thigh, shin, foot and perhaps toes: of the low ends that part at the hips and are alike, the longest."""
    order = sorted(ends, key=lambda bone: skeleton.heads[bone, 2])
    middle = skeleton.heads[:, 2].min() + 0.3 * _size(skeleton)
    best, longest = None, (0, -1.0)
    for one, other in combinations(order[:16], 2):
        hips = _common(skeleton, one, other)
        if hips < 0 or skeleton.heads[hips, 2] < middle:
            continue
        chains = [_leg(skeleton, _chain(skeleton, hips, end)) for end in (one, other)]
        if not all(chains) or len(chains[0]) != len(chains[1]) or not _alike(skeleton, *chains):
            continue
        reach = float(np.mean([np.linalg.norm((_toe(skeleton, chain) - skeleton.heads[chain[2]])[:2]) for chain in chains]))
        if (len(chains[0]), reach) > longest:
            best, longest = chains, (len(chains[0]), reach)
    return best


def _alike(skeleton: Skeleton, one: list[int], other: list[int]) -> bool:
    return bool(np.abs(skeleton.heads[one, 2] - skeleton.heads[other, 2]).max() < 2.0 * _SAME * _size(skeleton))


def _leg(skeleton: Skeleton, way: list[int]) -> list[int] | None:
    """Thigh, shin, foot and perhaps toes of the bones from hips to an end: the two longest falls in a row are thigh and shin."""
    def fall(one: int, other: int) -> float:
        step = skeleton.heads[way[one]] - skeleton.heads[way[other]]
        return float(step[2] - 2.0 * np.linalg.norm(step[:2]))

    best = _two_parts(way, lambda k, m, n: min(fall(k, m), fall(m, n)), 0.1 * _size(skeleton))
    return None if best is None else [way[k] for k in best] + _toes(skeleton, way[best[2] :])


def _toes(skeleton: Skeleton, way: list[int]) -> list[int]:
    """The toes of the bones from the ankle to an end, none or one: bones on the way may be a heel, or the middle of the foot."""
    reach = np.linalg.norm((skeleton.heads[way] - skeleton.heads[way[0]])[:, :2], axis=1)
    return [bone for bone, far in zip(way[1:], reach[1:]) if far > 0.5 * reach.max()][:1]


def _two_parts(way: list[int], value: Callable[[int, int, int], float], least: float) -> tuple[int, int, int] | None:
    """Where on the way a limb of two parts begins, bends and ends: of greatest value, which is more than the least."""
    best, score = None, least
    for k, m, n in combinations(range(len(way)), 3):
        worth = value(k, m, n) * _SKIPPED ** (n - k - 2)
        if worth > score:
            best, score = (k, m, n), worth
    return best


def _left(skeleton: Skeleton, legs: list[list[int]]) -> np.ndarray:
    """(3,) to the person's left: toes are in front of the ankles."""
    ankles, toes = (np.mean([skeleton.heads[leg[2]] for leg in legs], axis=0), np.mean([_toe(skeleton, leg) for leg in legs], axis=0))
    across = skeleton.heads[legs[0][0]] - skeleton.heads[legs[1][0]]
    side = np.array([across[0], across[1], 0.0])
    return side if np.cross([0.0, 0.0, 1.0], toes - ankles) @ side > 0.0 else -side


def _toe(skeleton: Skeleton, leg: list[int]) -> np.ndarray:
    return skeleton.heads[leg[3]] if len(leg) > 3 else skeleton.tails[leg[2]]


def _sided(skeleton: Skeleton, chains: list[list[int]], left: np.ndarray) -> tuple[str, str]:
    one, other = (skeleton.heads[chain[2]] @ left for chain in chains)
    return ("l", "r") if one > other else ("r", "l")


def _arms(skeleton: Skeleton, ends: list[int], hips: int, left: np.ndarray) -> list[list[int]]:
    """Two chains of shoulder (-1 for none), upper arm, forearm and hand, from the ends farthest out; empty without them."""
    upward = {child for child in skeleton.children[hips] if not _reaches_down(skeleton, child, hips)}
    above = [bone for bone in ends if upward & set(skeleton.path(bone))]
    if len(above) < 2:
        return []
    one, other = max(above, key=lambda b: skeleton.heads[b] @ left), min(above, key=lambda b: skeleton.heads[b] @ left)
    chest = _common(skeleton, one, other)
    chains = [_arm(skeleton, _to_hand(skeleton, chest, end)) for end in (one, other)]
    return [chain for chain in chains if chain] if all(chains) else []


def _reaches_down(skeleton: Skeleton, bone: int, hips: int) -> bool:
    return bool(skeleton.heads[_below(skeleton, bone), 2].min() < 0.5 * skeleton.heads[hips, 2] + 0.5 * skeleton.heads[:, 2].min())


def _to_hand(skeleton: Skeleton, chest: int, end: int) -> list[int]:
    """The bones from the chest to the hand: where fingers part, or the end."""
    way = _chain(skeleton, chest, end)
    for k, bone in enumerate(way):
        grown = [child for child in skeleton.children[bone] if skeleton.children[child] or len(skeleton.children[bone]) > 3]
        if k >= 2 and len(grown) >= 2:
            return way[: k + 1]
    return way


def _arm(skeleton: Skeleton, way: list[int]) -> list[int] | None:
    """Shoulder, upper arm, forearm and hand of the bones from chest to hand: the arm's two reaches in a row are long and alike."""
    def reach(k: int, m: int, n: int) -> float:
        upper, lower = (float(np.linalg.norm(skeleton.heads[way[b]] - skeleton.heads[way[a]])) for a, b in ((k, m), (m, n)))
        return min(upper, lower) - 0.5 * abs(upper - lower)

    bent = [bone for k, bone in enumerate(way) if k in (0, len(way) - 1) or _bends(skeleton, *way[k - 1 : k + 2])]
    if len(bent) > 3 and len(skeleton.children[way[-1]]) > 1:  # fingers say where the arm ends
        way = bent  # without bones that twist, which lie on a straight line
    best = _two_parts(way, reach, 0.05 * _size(skeleton))
    return None if best is None else [way[best[0] - 1] if best[0] > 0 else -1, *(way[k] for k in best)]


def _bends(skeleton: Skeleton, before: int, bone: int, after: int) -> bool:
    one, other = skeleton.heads[bone] - skeleton.heads[before], skeleton.heads[after] - skeleton.heads[bone]
    return float(np.linalg.norm(np.cross(one, other))) > _STRAIGHT * float(one @ other)


def _head(skeleton: Skeleton, chest: int, arms: set[int]) -> int | None:
    """Up from the chest, beside the arms, as long as a bone has one that goes on from it."""
    bone, found = chest, None
    while found is None or len(skeleton.children[bone]) == 1:
        lowest = skeleton.heads[bone, 2] + _SAME * _size(skeleton)
        over = [child for child in skeleton.children[bone] if not arms & set(_below(skeleton, child)) and skeleton.heads[child, 2] > lowest]
        if not over:
            break
        bone = found = max(over, key=lambda child: (len(_below(skeleton, child)), skeleton.heads[child, 2]))
    return found


def _below(skeleton: Skeleton, bone: int) -> list[int]:
    return [other for other in range(len(skeleton.names)) if bone in skeleton.path(other)]
