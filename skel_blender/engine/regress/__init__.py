# SPDX-License-Identifier: GPL-3.0-or-later
"""From evidence to a first pose of every frame, where the solver starts."""
