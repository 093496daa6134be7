# SPDX-License-Identifier: GPL-3.0-or-later
"""Body models behind one interface: shape once per person (`BodyModel.shape`), pose every frame (`BodyModel.forward`, `chain`)."""

from .load import BODY_NAMES, load_body
from .model import BodyModel, BodyOutput
from .points import Points
from .shape import Shape

__all__ = ["BODY_NAMES", "BodyModel", "BodyOutput", "Points", "Shape", "load_body"]
