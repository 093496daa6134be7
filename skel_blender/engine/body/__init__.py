# SPDX-License-Identifier: GPL-3.0-or-later
"""Body models behind one interface: shape once per person (`BodyModel.shape`), pose every frame (`BodyModel.forward`, `chain`)."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ...messages import SkelError
from .model import BodyModel, BodyOutput
from .openbody import read_open
from .points import Points
from .skel import read_skel
from .skeleton import Shape

__all__ = ["BODY_NAMES", "BodyModel", "BodyOutput", "Points", "Shape", "load_body"]

BODY_NAMES = ("male", "female")
_MODEL_ENDINGS = (".pkl", ".npz")


def load_body(source: str | Path, sex: str = "male", dtype: torch.dtype = torch.float64) -> BodyModel:
    """A body in a precision: 'open' (with `sex`), 'open_male' or 'male', 'open_female' or 'female', or a SKEL model file's path.

    Raises SkelError for an unknown name, and for a file that is missing or no SKEL model.
    """
    name = str(source)
    chosen = sex if name == "open" else name.removeprefix("open_")
    if chosen in BODY_NAMES:
        return read_open(chosen).to(dtype)
    if name.lower().endswith(_MODEL_ENDINGS) or os.path.isfile(name):  # unlike Path's it is False also of what is no path
        return read_skel(source, sex).to(dtype)
    raise SkelError("no_body", f"There is no body '{name}'.",
                    f"Choose one of: {', '.join(BODY_NAMES)}; or a SKEL model file, skel_male.pkl or skel_female.pkl.")  # fmt: skip
