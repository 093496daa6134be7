# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Take holds, as classes. Shapes, units and frames are those of the fields' comments; axes are in the package's docstring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from .. import kinematics, who
from ..anatomy import LIMIT_TOLERANCE
from ..messages import SkelError

TRIANGLE = -1  # fourth index of a face that has three corners
OUTLINED = ("chest", "waist", "hips", "upper_arm_l", "upper_arm_r", "forearm_l", "forearm_r", "thigh_l", "thigh_r", "shank_l", "shank_r")
DOUBTED = ("trunk", "arm_r", "arm_l", "leg_r", "leg_l")  # what `Person.expected_error` is told of
CONTACT_NAMES = ("heel_r", "ball_r", "toe_r", "heel_l", "ball_l", "toe_l")


@dataclass
class RestBody:
    """A person's body in the T pose, model frame."""

    skin_verts: np.ndarray  # (V,3) m
    skin_faces: np.ndarray  # (F,4) int, fourth index TRIANGLE for a triangle
    skin_uv: np.ndarray  # (F,4,2) per corner
    weight_index: np.ndarray  # (V,K) joint
    weight_value: np.ndarray  # (V,K), rows sum to 1
    joints: np.ndarray  # (24,3) m
    frames: np.ndarray  # (24,3,3) R_model_joint
    bone_verts: np.ndarray  # (Vs,3) m
    bone_faces: np.ndarray  # (Fs,3) int
    bone_joint: np.ndarray  # (Vs,) the joint whose bone a vertex belongs to
    limits: np.ndarray  # (46,2) rad, infinite where free
    posedirs: np.ndarray | None = None  # (V,3,171) m, the skin's pose blend shapes, for `kinematics.pose_features`; None: it has none

    def owners(self) -> np.ndarray:
        """(V,) the joint that moves a skin vertex most."""
        return self.weight_index[np.arange(len(self.weight_index)), self.weight_value.argmax(axis=1)]


@dataclass
class Person:
    """One person over consecutive frames."""

    name: str
    body_name: str  # which body model and sex, such as 'open male'
    frames: np.ndarray  # (T,) int, frame numbers of the source, consecutive
    poses: np.ndarray  # (T,46) rad
    betas: np.ndarray  # (10,) standard deviations, of `body_name`'s shape space
    trans: np.ndarray  # (T,3) m
    confidence: np.ndarray  # (T,) 0..1, zero where the person was not seen
    keypoints_2d: np.ndarray  # (T,33,3) px, px, confidence; BlazePose order
    landmarks_3d: np.ndarray  # (T,33,3) m, camera axes, relative to the middle of the hips
    reprojection_error: np.ndarray  # (T,) px, median over the seen limb joints; NaN where the person was not seen
    contacts: np.ndarray  # (T,6) bool, points of CONTACT_NAMES that rest, on the floor or what is above it
    body: RestBody
    expected_error: np.ndarray | None = None  # (T,5) m by which the joints of DOUBTED may be off; None: nobody knows
    outline: np.ndarray | None = None  # (T,11,4) px px px px, edges of each of OUTLINED in the image, NaN: not seen; None: not looked for

    def joints(self) -> np.ndarray:
        """(T,24,3) joint centres in the Take's world, metres, z up."""
        return kinematics.z_up(self.transforms()[..., :3, 3])

    def transforms(self) -> np.ndarray:
        """(T,24,4,4) joint transforms in the model frame (y up), see `kinematics.forward`."""
        return kinematics.forward(self.poses, self.body.joints, self.body.frames, self.trans)

    def violations(self) -> np.ndarray:
        """(T,46) how far each DoF lies beyond its limits, rad, 0 inside."""
        low, up = self.body.limits.T
        return np.maximum(0.0, np.maximum(low - self.poses, self.poses - up))

    def beyond_limits(self) -> np.ndarray:
        """(T,) in which frames a DoF lies beyond its limits by more than rounding."""
        return (self.violations() > LIMIT_TOLERANCE).any(axis=1)


@dataclass
class Camera:
    """A pinhole camera in OpenCV's axes (x right, y down, z away)."""

    K: np.ndarray  # (3,3) px
    world_to_cam: np.ndarray  # (T,4,4), from the Take's world, one for each of the Take's frames
    zoom: np.ndarray | None = None  # (T,) focal length of each frame over K's; None: the lens stays as it is

    def lenses(self) -> np.ndarray:
        """(T,3,3) px, K of each frame."""
        return zoomed(self.K, np.ones(len(self.world_to_cam)) if self.zoom is None else self.zoom)


def zoomed(K: np.ndarray, zoom: np.ndarray) -> np.ndarray:
    """(T,3,3) px: lens K (3,3) with its focal length times each zoom (T,)."""
    lenses = np.tile(K, (len(zoom), 1, 1))
    lenses[:, [0, 1], [0, 1]] *= zoom[:, None]
    return lenses


@dataclass
class Take:
    """What the engine found in one clip."""

    source: str  # absolute path of the footage; of the first file where there are several
    fps: Fraction
    frames: np.ndarray  # (T,) int, all frames that were looked at, consecutive
    image_size: tuple[int, int]  # width, height in px
    camera: Camera
    people: list[Person] = field(default_factory=list)
    producer: str = ""  # who made it: program and version
    settings: str = "{}"  # JSON of the options that made it


def index_of(names: Sequence[str], number: int) -> int:
    """Where in a list of people's names number `number` is: he who is called Person `number`; where somebody is called otherwise, or two
    alike, the one at that place, counted from 1. Raises SkelError if there is none."""
    numbers = [who.number(name) for name in names]
    if None in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(1, len(names) + 1))
    if number not in numbers:
        raise SkelError("no_person", f"There is no person {number}; who is there: {', '.join(names) or 'nobody'}.", "Choose one of them.")
    return numbers.index(number)


@dataclass(frozen=True)
class Corrections:
    """What an animator set by hand, on its way to the engine, which fits the frames around it again; model frame."""

    frames: np.ndarray  # (n,) int, of the source
    poses: np.ndarray  # (n,46) rad
    trans: np.ndarray  # (n,3) m

    def save(self, path: Path) -> None:
        """Write the .npz that `engine.refit.read_corrections` reads."""
        np.savez(path, frames=self.frames, poses=self.poses, trans=self.trans)
