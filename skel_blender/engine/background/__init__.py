# SPDX-License-Identifier: GPL-3.0-or-later
"""How a camera turns, zooms and goes, from the background of its footage."""

from .background import Background
from .motion import logs

__all__ = ["Background", "logs"]
