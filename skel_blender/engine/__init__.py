# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: footage in, a Take out. Runs in its own process and Python environment; never imports bpy."""
