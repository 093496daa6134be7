# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator does to motion that is there: read, smooth, thin, layer, loop, pin, lead by IK, move in place and time."""
