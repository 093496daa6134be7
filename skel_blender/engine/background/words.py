# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user is told of a camera that moves."""

from __future__ import annotations

import numpy as np

from ...messages import Log
from ..camera import CameraMotion
from .motion import Findings

_WALKS = 0.3  # share of the background that no turn explains, above which the camera is said to leave its place


def logs(motion: CameraMotion, findings: Findings) -> list[Log]:
    """What was found, and what it is not good for."""
    turn = np.degrees(np.arccos(np.clip(0.5 * (np.trace(motion.turns, axis1=1, axis2=2) - 1.0), -1.0, 1.0))).max()
    zoom = motion.zoom.max() / motion.zoom.min() - 1.0
    more = f" and zooms by {zoom:.0%}" if zoom > 0.0 else "" if motion.places is None else " and leaves its place"
    result = [Log("info", f"The camera turns by up to {turn:.0f} degrees{more}; that is taken out of people's motion.")]
    if findings.lens_told:
        what = "turns tell" if motion.places is None else "path tells"
        result.append(Log("info", f"Its {what} the lens: a focal length of {motion.K[0, 0]:.0f} px."))
    if motion.places is None and findings.unexplained > _WALKS:
        text = "The camera also seems to leave its place, but the background tells no path, and people seem to move instead."
        result.append(Log("warning", f"{text} Solve the clip's camera in Blender, and place the take by it."))
    if findings.cuts:
        text = f"In frame {motion.first + findings.cuts[0]} the picture changes at once, as at a cut."
        result.append(Log("warning", f"{text} Reconstruct the parts one by one."))
    return result
