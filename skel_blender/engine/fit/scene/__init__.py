# SPDX-License-Identifier: GPL-3.0-or-later
"""What fitted people tell of their scene: the floor and the camera's tilt, the lens, how far the camera went."""
