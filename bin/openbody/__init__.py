# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the open body: skin and shape space from MakeHuman, bones from Rajagopal 2015, one .npz per sex."""
