# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions of the SMPL family, as other programs write them, on a SKEL body."""
