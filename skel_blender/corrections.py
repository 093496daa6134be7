# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator set by hand, on its way from Blender to the engine, which fits the frames around it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Corrections:
    """Source frames (n,) that were set by hand, their poses (n,46) rad and trans (n,3) m, in the Take's model frame."""

    frames: np.ndarray
    poses: np.ndarray
    trans: np.ndarray

    def save(self, path: Path) -> None:
        """Write the .npz that `engine.refit.read_corrections` reads."""
        np.savez(path, frames=self.frames, poses=self.poses, trans=self.trans)
