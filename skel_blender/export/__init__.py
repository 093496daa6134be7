# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers of other programs' files. Each leaves the scene as it was and writes a file whole or not at all.

The rigs that are edited are never handed to an exporter: `sample` reads what they do, `delivery` computes a clean skeleton in the file's
own axes and unit, `skeleton` builds it in a scene of its own, and Blender's exporter for the format writes that scene. `presets` and
`names` are tables that any program can read; everything else here needs numpy or bpy, hence nothing is imported yet.
"""
