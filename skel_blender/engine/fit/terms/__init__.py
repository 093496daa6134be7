# SPDX-License-Identifier: GPL-3.0-or-later
"""SKELify's terms: what each adds to the objective, its residuals and their derivatives, as rows of the normal equations."""
