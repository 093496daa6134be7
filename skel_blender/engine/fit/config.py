# SPDX-License-Identifier: GPL-3.0-or-later
"""How SKELify weighs its evidence. Every term has its deviation here; an infinite one switches the term off."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf


@dataclass(frozen=True)
class Weights:
    """Standard deviations of the terms' residuals. Rates are per second, so a clip's frame rate does not change their meaning."""

    keypoint_m: float = 0.014  # image keypoints, at the person's depth
    landmark_m: float = 0.06  # metric landmarks, across the view
    landmark_depth_m: float = 0.12  # and along it
    midline_m: float = 0.01  # the middle of trunk and limbs in the image, across them
    robust: float = 4.0  # keypoints and landmarks beyond this many deviations fade out (Geman-McClure)
    target_m: float = 0.01  # world targets of weight 1
    pin_m: float = 0.001
    prior: float = 1.5  # factor on the spread of the pull to a relaxed stance, or to a regressor's pose
    limit: float = inf  # the paper's exponential prior: what exp(low - q) and exp(q - up) may be
    shape: float = 0.7  # betas, for each frame's share of the evidence
    stature_m: float = 0.001  # a stature that is known, likewise
    girth_m: float = 0.015  # how broad a part of the body is in the image, likewise: clothes count
    angle_rate: float = 12.0  # rad/s, joint speeds
    angle_acceleration: float = 60.0  # rad/s2
    angle_leap: float = 0.8  # rad from a frame to the next: what goes beyond is a swap of limbs or of Euler's branches, whatever the rate
    angle_leap_spread: float = 0.02  # rad
    travel_rate: float = 5.0  # m/s
    travel_acceleration: float = 12.0  # m/s2
    adaptive: float = 2.0  # accelerations beyond this many deviations cost only linearly: impacts and quick steps stay
    balance_m: float = 0.02  # how far along the view the centre of mass is beyond what rests on the floor and what is free,
    balance_free_m: float = 0.02  # always,
    balance_free_s: float = 0.3  # and for each m/s of pace: the body over its feet as a pendulum (Hof 2005), sqrt(height / gravity)
    balance_robust: float = 10.0  # who is far more deviations beyond is held by something else
    fall: float = 1.0  # m/s2, what the centre of mass of somebody airborne accelerates beside gravity
    torque: float = 0.5  # m2/s2, what turns him, by his mass
    clearance_m: float = 0.02  # how far a point of arms and legs is inside another part of the body, where there is a view
    contact_height_m: float = 0.006
    contact_slide_m: float = 0.004  # per frame
    below_floor_m: float = 0.01
    focal: float = 0.2  # of the logarithm of the focal length, where it is estimated


@dataclass(frozen=True)
class Config:
    """What SKELify does with the evidence."""

    weights: Weights = field(default_factory=Weights)
    iterations: int = 30
    tolerance: float = 1e-4  # a person is done when a step lowers his cost by less than this part of it
    limits: str = "hard"  # "hard": no DoF leaves body.limits; "off": captured angles are left as they are
    fit_shape: bool = True
    estimate_focal: bool = False
