# SPDX-License-Identifier: GPL-3.0-or-later
"""From evidence to a first pose of every frame, where the solver starts.

`load_lift` and `load_hsmr` are imported only when they are asked for: their networks are not needed to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hsmr import load_hsmr
    from .lift import load_lift

__all__ = ["load_hsmr", "load_lift"]


def __getattr__(name: str) -> Any:
    if name == "load_lift":
        from .lift import load_lift

        return load_lift
    if name == "load_hsmr":
        from .hsmr import load_hsmr

        return load_hsmr
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
