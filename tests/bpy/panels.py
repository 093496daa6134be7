# SPDX-License-Identifier: GPL-3.0-or-later
"""What a panel draws, without a window."""

from __future__ import annotations

import bpy


class Spy:
    """Takes a layout's place and keeps what is drawn: labels, and (owner, property)."""

    def __init__(self) -> None:
        self.labels, self.props, self.operators, self.buttons = [], [], [], []  # buttons: what is written on the operators'

    def __getattr__(self, name):
        if name == "label":
            return lambda text="", **_: self.labels.append(text)
        if name in ("prop", "prop_decorator", "prop_enum"):
            return self._prop
        if name == "operator":
            return self._operator
        return lambda *_, **__: self

    def _prop(self, owner, name, *_, **__):
        assert name.startswith("[") or name in owner.bl_rna.properties, name
        self.props.append((owner, name))

    def _operator(self, name, text="", **_):
        assert getattr(bpy.ops.skel, name.partition(".")[2]).idname(), name
        self.operators.append(name)
        self.buttons.append(text)
        return Spy()


def draw(name):
    """What the panel of that name draws now."""
    panel = getattr(bpy.types, name)
    assert panel.poll(bpy.context)
    spy = Spy()
    holder = type("Panel", (), {"layout": spy})()
    panel.draw(holder, bpy.context)
    return spy


def messages_shown() -> str:
    """What the sidebar tells of the last job."""
    from skel_blender.ui.runner import runner

    return " ".join(text for icon, text in runner.lines)
