# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions of the SMPL family, and points in space, as other programs write them, on a SKEL body."""
