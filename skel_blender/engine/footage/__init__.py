# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of a video, an image, several images or a folder, by exact numbers and one at a time."""
