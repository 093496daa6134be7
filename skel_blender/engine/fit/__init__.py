# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify: fit SKEL to the evidence of a whole track at once."""
