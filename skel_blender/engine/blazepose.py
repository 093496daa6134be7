# SPDX-License-Identifier: GPL-3.0-or-later
"""BlazePose's 33 landmarks by number (arXiv 2006.10204): tables that all who read them share. Their names are `body.landmarks.MIXTURES`."""

from __future__ import annotations

LANDMARKS = 33
# Left, right; lists, as arrays are indexed by them.
EARS, SHOULDERS, ELBOWS, WRISTS = [7, 8], [11, 12], [13, 14], [15, 16]
HIPS, KNEES, ANKLES = [23, 24], [25, 26], [27, 28]
TRUNK, LEGS = SHOULDERS + HIPS, KNEES + ANKLES
LIMBS = SHOULDERS + ELBOWS + WRISTS + HIPS + KNEES + ANKLES
# Whose place each takes in the mirror.
PARTNERS = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23, 26, 25, 28, 27, 30, 29, 32, 31]
# Where trunk and limbs are measured across, under the landmark that each part ends at: between the middles of which landmarks, and which
# part of the way from the first to the second. The trunk is measured at the chest, the waist and the hips.
ACROSS = {
    11: ((11, 12), (23, 24), 0.3), 23: ((11, 12), (23, 24), 0.75), 24: ((11, 12), (23, 24), 0.95),
    13: ((11,), (13,), 0.6), 14: ((12,), (14,), 0.6), 15: ((13,), (15,), 0.4), 16: ((14,), (16,), 0.4),
    25: ((23,), (25,), 0.6), 26: ((24,), (26,), 0.6), 27: ((25,), (27,), 0.4), 28: ((26,), (28,), 0.4),
}  # fmt: skip
