# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify: fit SKEL to the evidence of whole tracks at once."""

from .config import Config, Weights
from .observations import Observations, View
from .paper import paper_objective
from .skelify import Result, skelify

__all__ = ["Config", "Observations", "Result", "View", "Weights", "paper_objective", "skelify"]
