# SPDX-License-Identifier: GPL-3.0-or-later
"""HSMR (Xia et al., CVPR 2025), as released: `load_hsmr` is its network, `HsmrRegressor` runs it over a clip.

The checkpoint is the user's; the network is written from the formulas, and loads every entry of the checkpoint by name.
"""

from .network import Hsmr, Prediction, load_hsmr
from .regressor import HsmrRegressor, check_body

__all__ = ["Hsmr", "HsmrRegressor", "Prediction", "check_body", "load_hsmr"]
