# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in footage, where and when: people detected, followed and told apart, as one clean track of landmarks each."""
