# SPDX-License-Identifier: GPL-3.0-or-later
"""The motion of a camera that turns and zooms about its place, from the background of its footage."""

from .background import Background
from .words import logs

__all__ = ["Background", "logs"]
