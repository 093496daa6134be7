# SPDX-License-Identifier: GPL-3.0-or-later
"""From a Take to a keyed, constrained rig in Blender. `layout` is plain numpy, everything else here needs bpy."""
