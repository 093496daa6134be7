# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Take to a keyed, constrained rig in Blender.

`layout`, `continuity` and `bezier`, and in `editing` `smoothing`, `following` and `thinning` with its `fewest` and `sway`, are plain numpy;
everything else here needs bpy; hence nothing is imported yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import bpy

    from ..take import Take
    from .assemble import Handle


def build(take: Take, context: bpy.types.Context | None = None, **options: Any) -> list[Handle]:
    """Build a Take in the context's scene (None: Blender's own context); one handle per person with `armature`, `skin`, `bones`
    and `action`. The options are those of `assemble.build_take`. Raises SkelError if the footage can't be shown."""
    import bpy

    from . import assemble

    return assemble.handles(assemble.build_take(context or bpy.context, take, **options))
