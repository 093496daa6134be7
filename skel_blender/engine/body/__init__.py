# SPDX-License-Identifier: GPL-3.0-or-later
"""Body models behind one interface: shape once per person (`BodyModel.rest_points`), pose every frame (`chain`)."""

from .model import BODY_NAMES, BodyModel, load_body

__all__ = ["BODY_NAMES", "BodyModel", "load_body"]
