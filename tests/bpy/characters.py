# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters of other people: armatures as Mixamo, Unreal and Unity bring them into Blender, and one whose bones have no names."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from skel_blender.rig.armature import set_mode

FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")


@dataclass(frozen=True)
class Build:
    """Proportions of a body in metres; it stands at the origin, z up, faces -y, its left is +x."""

    thigh: float = 0.42
    shin: float = 0.40
    ankle: float = 0.09
    foot: float = 0.13
    hip: float = 0.09
    trunk: float = 0.52
    shoulder: float = 0.18
    arm: float = 0.27
    forearm: float = 0.25
    drop: float = 0.0  # rad, how far the arms hang below the T pose
    spread: float = 0.0  # rad, of the legs
    toe_out: float = 0.0  # rad
    spine: int = 3
    neck: int = 1


def of_one_bone(context: bpy.types.Context, bone: str) -> bpy.types.Object:
    """An armature called hero with one bone, the active object, in Object Mode."""
    hero = bpy.data.objects.new("hero", bpy.data.armatures.new("hero"))
    context.scene.collection.objects.link(hero)
    context.view_layer.objects.active = hero
    set_mode(context, "EDIT")
    hero.data.edit_bones.new(bone).tail = (0, 0, 1)
    set_mode(context, "OBJECT")
    return hero


def places(build: Build) -> dict[str, np.ndarray]:
    """Joint -> (3,) m."""
    leg = np.array([math.sin(build.spread), 0.02, -math.cos(build.spread)])
    leg /= np.linalg.norm(leg)
    hip = np.array([build.hip, 0.0, 0.0])
    knee = hip + build.thigh * (leg + [0, -0.02, 0])
    ankle = knee + build.shin * (leg + [0, 0.02, 0])
    lift = build.ankle - ankle[2]
    forward = np.array([math.sin(build.toe_out), -math.cos(build.toe_out), 0.0])
    ball = ankle + build.foot * forward - [0, 0, build.ankle - 0.02]
    arm = np.array([math.cos(build.drop), 0.0, -math.sin(build.drop)])
    start = np.array([build.shoulder, 0.01, build.trunk - 0.02])
    elbow = start + build.arm * arm
    wrist = elbow + build.forearm * (arm + [0, -0.03, 0])
    joints = {"hips": np.array([0.0, 0.0, 0.04]), "clavicle": np.array([0.03, -0.01, build.trunk - 0.03]), "arm": start, "forearm": elbow,
              "hand": wrist, "knuckles": wrist + 0.09 * arm, "fingers": wrist + 0.18 * arm, "thigh": hip, "shin": knee, "foot": ankle,
              "ball": ball, "toes": ball + 0.07 * forward, "head": np.array([0.0, -0.01, build.trunk + 0.11]),
              "crown": np.array([0.0, -0.01, build.trunk + 0.3])}  # fmt: skip
    for k in range(build.spine):
        part = (k + 1.0) / (build.spine + 1.0)
        joints[f"spine{k}"] = np.array([0.0, 0.03 * math.sin(3.0 * part), 0.04 + (build.trunk - 0.04) * part])
    for k in range(build.neck):
        joints[f"neck{k}"] = np.array([0.0, 0.0, build.trunk + 0.02 + 0.06 * k])
    return {name: place + [0.0, 0.0, lift] for name, place in joints.items()}


def mirrored(place: np.ndarray) -> np.ndarray:
    return place * [-1.0, 1.0, 1.0]


def armature(
    name: str, bones: list[tuple[str, str | None, np.ndarray, np.ndarray]], stand: Matrix | None = None, seed: int | None = None
) -> bpy.types.Object:
    """An armature object at `stand` of bones (name, parent, head, tail in world metres); a seed turns bones and tails at random."""
    rng, stand = np.random.default_rng(seed) if seed is not None else None, stand or Matrix()
    data = bpy.data.armatures.new(name)
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    thing.matrix_world = stand
    back = np.array(stand.inverted())
    bpy.context.view_layer.update()
    bpy.context.view_layer.objects.active = thing
    set_mode(bpy.context, "EDIT")
    for bone, parent, head, tail in bones:
        made = data.edit_bones.new(bone)
        if rng is not None:
            tail = head + 0.05 * rng.standard_normal(3)
        made.head, made.tail = back[:3, :3] @ head + back[:3, 3], back[:3, :3] @ tail + back[:3, 3]
        made.roll = float(rng.uniform(-3.0, 3.0)) if rng is not None else 0.0
        made.parent = data.edit_bones[parent] if parent else None
    set_mode(bpy.context, "OBJECT")
    return thing


_MIXAMO = Build(thigh=0.47, shin=0.36, hip=0.11, ankle=0.12, shoulder=0.21, toe_out=0.15)
_MANNY = Build(drop=0.8, spread=0.12, spine=5, neck=2, hip=0.1, thigh=0.44, shin=0.44, toe_out=0.2)


def mixamo(build: Build = _MIXAMO, across: tuple[float, float, float] = (0.0, 1.0, 0.0)) -> bpy.types.Object:
    """65 bones, T pose, centimetres and y up under an object scaled by 0.01, as Blender imports Mixamo's FBX; `across` is where its little
    fingers lie, seen from the others."""
    j = places(build)
    def own(name):
        return "mixamorig:" + name
    bones = [(own("Hips"), None, j["hips"], j["spine0"]), (own("Spine"), own("Hips"), j["spine0"], j["spine1"]),
             (own("Spine1"), own("Spine"), j["spine1"], j["spine2"]), (own("Spine2"), own("Spine1"), j["spine2"], j["neck0"]),
             (own("Neck"), own("Spine2"), j["neck0"], j["head"]), (own("Head"), own("Neck"), j["head"], j["crown"]),
             (own("HeadTop_End"), own("Head"), j["crown"], j["crown"] + [0, 0, 0.05])]  # fmt: skip
    for side, flip in (("Left", lambda p: p), ("Right", mirrored)):
        chains = [("Spine2", [("Shoulder", "clavicle"), ("Arm", "arm"), ("ForeArm", "forearm"), ("Hand", "hand"), (None, "knuckles")]),
                  ("Hips", [("UpLeg", "thigh"), ("Leg", "shin"), ("Foot", "foot"), ("ToeBase", "ball"), ("Toe_End", "toes"),
                            (None, None)])]  # fmt: skip
        for parent, chain in chains:
            parent = own(parent)
            for (bone, start), (_, end) in zip(chain, chain[1:]):
                head = flip(j[start])
                tail = flip(j[end]) if end else head + [0, -0.03, 0]
                bones.append((own(side + bone), parent, head, tail))
                parent = own(side + bone)
        along = (j["fingers"] - j["knuckles"]) / 3
        for k, finger in enumerate(FINGERS):
            base = j["knuckles"] + 0.02 * (k - 2.5) * np.array(across) - (0.06 * along / np.linalg.norm(along) if k == 0 else 0)
            parent = own(f"{side}Hand")
            for n in range(4):
                bones.append((own(f"{side}Hand{finger}{n + 1}"), parent, flip(base + n * along), flip(base + (n + 1) * along)))
                parent = own(f"{side}Hand{finger}{n + 1}")
    return armature("Mixamo", bones, Matrix.Rotation(math.pi / 2, 4, "X") @ Matrix.Scale(0.01, 4))


def manny(build: Build = _MANNY) -> bpy.types.Object:
    """Unreal's mannequin: A pose, centimetres, twist and IK bones, bone axes of their own; it faces +x."""
    j = places(build)
    spine = [f"spine_{k + 1:02d}" for k in range(5)]
    bones = [("root", None, np.zeros(3), np.array([0, 0, 0.1])), ("pelvis", "root", j["hips"], j["spine0"])]
    bones += [(bone, parent, j[f"spine{k}"], j["head"]) for k, (bone, parent) in enumerate(zip(spine, ["pelvis", *spine]))]
    bones += [("neck_01", "spine_05", j["neck0"], j["neck1"]), ("neck_02", "neck_01", j["neck1"], j["head"]),
              ("head", "neck_02", j["head"], j["crown"])]  # fmt: skip
    for end, flip in (("_l", lambda p: p), ("_r", mirrored)):
        def mid(a, b, part, flip=flip):
            return flip(j[a] + part * (j[b] - j[a]))
        chain = [("clavicle", "spine_05", "clavicle"), ("upperarm", "clavicle", "arm"), ("lowerarm", "upperarm", "forearm"),
                 ("hand", "lowerarm", "hand"), ("middle_01", "hand", "knuckles"), ("thigh", "pelvis", "thigh"),
                 ("calf", "thigh", "shin"), ("foot", "calf", "foot"), ("ball", "foot", "ball")]  # fmt: skip
        for bone, parent, place in chain:
            parent = parent if parent in ("spine_05", "pelvis") else parent + end
            bones.append((bone + end, parent, flip(j[place]), flip(j[place]) + [0, 0, 0.05]))
        twists = (("upperarm_twist_01", "upperarm", "arm", "forearm", 0.1), ("lowerarm_twist_02", "lowerarm", "forearm", "hand", 0.35),
                  ("lowerarm_twist_01", "lowerarm", "forearm", "hand", 0.75), ("thigh_twist_01", "thigh", "thigh", "shin", 0.3),
                  ("calf_twist_01", "calf", "shin", "foot", 0.7))  # fmt: skip
        for stem, parent, a, b, part in twists:
            bones.append((stem + end, parent + end, mid(a, b, part), mid(a, b, part) + [0, 0, 0.05]))
    for bone, parent, place in (("ik_foot_root", "root", np.zeros(3)), ("ik_foot_l", "ik_foot_root", j["foot"]),
                                ("ik_foot_r", "ik_foot_root", mirrored(j["foot"])), ("ik_hand_root", "root", np.zeros(3)),
                                ("ik_hand_gun", "ik_hand_root", mirrored(j["hand"]))):  # fmt: skip
        bones.append((bone, parent, place, place + [0, 0, 0.1]))
    turn = Matrix.Rotation(math.pi / 2, 4, "Z")
    turned = np.array(turn)[:3, :3]
    bones = [(bone, parent, turned @ head, turned @ np.asarray(tail)) for bone, parent, head, tail in bones]
    return armature("Manny", bones, Matrix.Scale(0.01, 4), seed=1)


UNITY = {"hips": "Hips", "spine0": "Spine", "spine1": "Chest", "spine2": "UpperChest", "neck0": "Neck", "head": "Head",
         "clavicle": "{} shoulder", "arm": "{} arm", "forearm": "{} elbow", "hand": "{} wrist", "thigh": "{} leg", "shin": "{} knee",
         "foot": "{} ankle", "ball": "{} toe"}  # fmt: skip
_PARENTS = {"spine0": "hips", "spine1": "spine0", "spine2": "spine1", "neck0": "spine2", "head": "neck0", "clavicle": "spine2",
            "arm": "clavicle", "forearm": "arm", "hand": "forearm", "thigh": "hips", "shin": "thigh", "foot": "shin",
            "ball": "foot"}  # fmt: skip


def simple(name: str, names: dict[str, str], build: Build = Build(), stand: Matrix | None = None, seed: int | None = None,
           parents: dict[str, str] = _PARENTS) -> bpy.types.Object:  # fmt: skip
    """A body of one bone a part at `stand`, named by `names` ('{}' for Left or Right); parts without a name are left out."""
    j, bones, turn = places(build), [], np.array((stand or Matrix()).to_3x3())
    for part, title in names.items():
        sides = (("Left", lambda p: p), ("Right", mirrored)) if "{}" in title else (("", lambda p: p),)
        for side, flip in sides:
            parent = names.get(parents.get(part, ""), "").format(side) or None
            head = turn @ flip(j[part])
            bones.append((title.format(side), parent, head, head + [0.0, -0.01, 0.06]))
    return armature(name, bones, stand, seed)


def nameless() -> bpy.types.Object:
    """Numbers for names, in no order of the body; faces +y, its tails say nothing, its modes are Euler and axis angle."""
    numbers = np.random.default_rng(5).permutation(40)
    names = {part: f"b{numbers[k]:02d}" + ("{}" if "{}" in title else "") for k, (part, title) in enumerate(UNITY.items())}
    thing = simple("Nameless", names, Build(drop=0.4, thigh=0.38, shin=0.42), Matrix.Rotation(math.pi, 4, "Z"), seed=2)
    tags = {"Left": "q", "Right": "z"}
    for bone in thing.data.bones:
        for word, tag in tags.items():
            bone.name = bone.name.replace(word, tag)
    for k, bone in enumerate(thing.pose.bones):
        bone.rotation_mode = ("YZX", "XYZ", "AXIS_ANGLE", "ZXY")[k % 4]
    return thing
