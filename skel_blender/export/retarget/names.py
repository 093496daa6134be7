# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part a bone stands for, by its name: prefixes and sides are cut off, what is left is looked up. Tables and strings only."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from . import places, slots
from .skeleton import Skeleton
from .slots import Mapping

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIDES = {"l": "l", "left": "l", "lft": "l", "lf": "l", "r": "r", "right": "r", "rgt": "r", "rt": "r"}
# Words that say whose bone it is or what for, not which part.
_PREFIXES = {"mixamorig", "bip", "biped", "cc", "base", "valve", "j", "jnt", "joint", "b", "c", "bn", "bone", "character", "rig",
             "armature", "sk", "def", "org", "fk", "ctrl", "con", "x", "m", "sec", "bend"}  # fmt: skip
_LATER = {"def", "org"}  # copies: the bone without this word is meant
_NEVER = {"ik", "pole", "target", "tgt", "end", "nub", "tip", "helper", "mch", "vis", "tweak", "master", "socket", "goal", "twist", "roll",
          "parent", "heel", "corrective", "muscle", "physics"}  # fmt: skip
# Part -> what it is called, best name first. Where a name may mean two parts, that of the outer one is looked for first: 'leg' is the
# shin beside an 'upleg', and the thigh above a 'knee'.
_CALLED = {
    "toe": ("toe", "toes", "toebase", "ball"),
    "foot": ("foot", "ankle", "talus"),
    "shin": ("shin", "calf", "lowerleg", "lowleg", "leglower", "knee", "tibia", "leg"),
    "thigh": ("thigh", "upleg", "upperleg", "legupper", "femur", "leg", "hip"),
    "hand": ("hand", "wrist"),
    "forearm": ("forearm", "lowerarm", "lowarm", "armlower", "farm", "elbow", "ulna"),
    "upper_arm": ("upperarm", "uparm", "armupper", "uarm", "humerus", "bicep", "shldr", "arm"),
    "shoulder": ("clavicle", "collar", "collarbone", "clav", "scapula", "shoulder"),
}
_MIDDLE = {"hips": ("hips", "hip", "pelvis"), "head": ("head",), "root": ("root", "rlroot", "reference", "origin")}
_FINGERS = {"index": {"index"}, "middle": {"middle", "mid"}, "ring": {"ring"}, "pinky": {"pinky", "little", "pinkie"}}
_PALM = {"palm", "metacarpal", "toe", "foot"}
_TWISTED = ("fore", "forearm", "lowerarm", "lowarm")
_NUMBERED = ("arm", "leg")  # what some call all bones of a limb, with numbers
_MOST = 0.75  # of the bones, that begin with the same word: it says whose they are
_BEGINS = (("foot", "ankle"), ("hand", "wrist"), ("toe", "ball"))  # what a part's first bone is called where a later one has its name
# MikuMikuDance's standard bones, in words that the tables above know; the side comes first, or follows as L or R.
_JAPANESE = {"全ての親": "root", "下半身": "pelvis", "頭": "head", "肩": "clavicle", "腕": "upperarm", "ひじ": "forearm",
             "手捩": "forearm twist", "手首": "hand", "足": "thigh", "ひざ": "shin", "足首": "foot", "つま先": "toe", "人指": "index",
             "人差指": "index", "中指": "middle", "薬指": "ring", "小指": "pinky", "左": "L", "右": "R"}  # fmt: skip
_JAPANESE_NAME = re.compile(r"([左右]?)(\D+?)(?:(?<=指)\d)?(?:[._ ]([LR]))?")


@dataclass(frozen=True)
class Name:
    """A bone's name, read."""

    key: str  # the words that say which part, joined, lower case
    side: str | None  # 'l', 'r' or None
    words: frozenset[str]  # all of them


def read(name: str, shared: tuple[str, ...] = ()) -> Name:
    """Read a name such as 'mixamorig:LeftUpLeg', 'upperarm_l', 'DEF-thigh.R' or 'Bip01 L Calf', without the words `shared` before it."""
    words = _words(name)
    words = words[len(shared) :] if tuple(words[: len(shared)]) == shared else words
    sides = [_SIDES[word] for word in words if word in _SIDES]
    key = "".join(word for word in words if word not in _SIDES and word not in _PREFIXES and not word.isdigit())
    return Name(key, sides[-1] if sides else None, frozenset(words))


def _words(name: str) -> list[str]:
    japanese = _JAPANESE_NAME.fullmatch(unicodedata.normalize("NFKC", name))
    if japanese and japanese[2] in _JAPANESE:
        name = f"{_JAPANESE.get(japanese[1]) or japanese[3] or ''} {_JAPANESE[japanese[2]]}"
    name = re.sub("([LR])([UF]Arm)", r"\1 \2", re.split(r"[:|]", name)[-1])  # OptiTrack's
    return [word.lower() for word in _WORDS.findall(name)]


def _read_all(skeleton: Skeleton) -> dict[str, Name]:
    """All names, without what most begin with, such as the character's own."""
    everyone, shared = [_words(name) for name in skeleton.names], []
    while True:
        following = [words[len(shared)] for words in everyone if len(words) > len(shared) and words[: len(shared)] == shared]
        word, count = Counter(following).most_common(1)[0] if following else ("", 0)
        if count <= _MOST * len(everyone) or word in {*_SIDES, *_LATER, *_NEVER}:
            return {name: read(name, tuple(shared)) for name in skeleton.names}
        shared.append(word)


def guess(skeleton: Skeleton) -> Mapping:
    """The parts outside the spine that names tell."""
    read_names = _read_all(skeleton)
    found: Mapping = {}
    for part, called in _MIDDLE.items():
        _find(skeleton, read_names, found, part, None, called)
    if "root" in found and "hips" in found and not _is_above(skeleton, found["root"], found["hips"]):
        del found["root"]
    for side in slots.SIDES:
        for part, called in _CALLED.items():
            _find(skeleton, read_names, found, f"{part}_{side}", side, called)
        _whole_arm(skeleton, read_names, found, side)
        _from_joints(skeleton, read_names, found, side)
        twisted = [bone for bone, name in read_names.items() if name.side == side
                   and (name.key == "radius" or name.key != (rest := re.sub("twist|roll", "", name.key)) and rest in _TWISTED)]  # fmt: skip
        found |= dict(zip(slots.twists(side), twisted))
    _separate_pelvis(skeleton, read_names, found)
    return found


def knuckles(skeleton: Skeleton, side: str) -> tuple[str, str] | None:
    """The bones of a side at which index and little finger begin; None if names don't tell."""
    found = [finger(skeleton, side, name) for name in ("index", "pinky")]
    return (found[0][0], found[1][0]) if all(found) else None


def finger(skeleton: Skeleton, side: str, name: str) -> list[str]:
    """The bones of a finger of a side from the knuckle on, as far as names tell."""
    fits = {bone: words for bone, words in _read_all(skeleton).items()
            if words.side == side and words.words & _FINGERS[name] and not words.words & (_NEVER | _PALM)}  # fmt: skip
    own = [bone for bone in fits if not fits[bone].words & _LATER] or list(fits)
    return sorted(own, key=lambda bone: (len(skeleton.path(skeleton.index[bone])), bone))


def _find(skeleton: Skeleton, names: dict[str, Name], found: Mapping, slot: str, side: str | None, called: tuple[str, ...]) -> None:
    fits = [bone for bone, name in names.items() if name.side == side and name.key in called and not name.words & _NEVER
            and bone not in found.values()]  # fmt: skip
    fits = [bone for bone in fits if names[bone].key not in _NUMBERED or not _goes_on(skeleton, names, bone)]
    if fits:
        found[slot] = min(fits, key=lambda bone: (bool(names[bone].words & _LATER), "fk" not in names[bone].words,
                                                  called.index(names[bone].key), len(skeleton.path(skeleton.index[bone]))))  # fmt: skip


def _goes_on(skeleton: Skeleton, names: dict[str, Name], bone: str) -> bool:
    """Whether another joint of a bone's chain has its name, but for a number: which is which only places tell."""
    own, number = names[bone], skeleton.index[bone]
    alike = [skeleton.index[other] for other, name in names.items() if other != bone and (name.key, name.side) == (own.key, own.side)]
    return any((number in skeleton.path(other) or other in skeleton.path(number)) and not places.near(skeleton, number, other)
               for other in alike if not names[skeleton.names[other]].words & _NEVER)  # fmt: skip


def _whole_arm(skeleton: Skeleton, names: dict[str, Name], found: Mapping, side: str) -> None:
    """'Shoulder, Elbow, Wrist', perhaps below a collar bone: there the shoulder is the upper arm."""
    fore, own = found.get(f"forearm_{side}"), found.get(f"shoulder_{side}")
    if fore is None or f"upper_arm_{side}" in found:
        return
    above = _above(skeleton, names, fore, "shoulder")
    if above and (above[-1] != own or skeleton.parents[skeleton.index[fore]] == skeleton.index[own]):
        found[f"upper_arm_{side}"] = above[-1]
        if above[-1] == own:
            del found[f"shoulder_{side}"]


def _from_joints(skeleton: Skeleton, names: dict[str, Name], found: Mapping, side: str) -> None:
    """'Ankle, Foot', 'Wrist, Hand' and 'Ball, Toes': bones that are called after the joint where they begin, as SMPL's are."""
    for part, joint in _BEGINS:
        own = found.get(f"{part}_{side}")
        above = _above(skeleton, names, own, joint) if own else []
        if above and not places.near(skeleton, skeleton.index[above[-1]], skeleton.index[own]):
            found[f"{part}_{side}"] = above[-1]
            if part == "foot":
                found.setdefault(f"toe_{side}", own)


def _above(skeleton: Skeleton, names: dict[str, Name], bone: str, key: str) -> list[str]:
    """The bones of that key and a bone's side on which it hangs, the nearest last."""
    way = [skeleton.names[above] for above in skeleton.path(skeleton.index[bone])[:-1]]
    return [above for above in way if (names[above].key, names[above].side) == (key, names[bone].side) and not names[above].words & _NEVER]


def _separate_pelvis(skeleton: Skeleton, names: dict[str, Name], found: Mapping) -> None:
    """Hips that carry a pelvis of its own, which carries the legs."""
    if "hips" not in found or "thigh_l" not in found:
        return
    between = [skeleton.names[bone] for bone in skeleton.path(skeleton.index[found["thigh_l"]])[:-1]]
    own = [bone for bone in between if names[bone].key == "pelvis" and bone != found["hips"] and _is_above(skeleton, found["hips"], bone)]
    if own:
        found["pelvis"] = own[0]


def _is_above(skeleton: Skeleton, one: str, other: str) -> bool:
    return skeleton.index[one] in skeleton.path(skeleton.index[other])[:-1]
