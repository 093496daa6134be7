# SPDX-License-Identifier: GPL-3.0-or-later
"""The SKEL tab of the 3D viewport's sidebar. Drawing computes nothing: it shows settings and what the runner has prepared."""

import bpy

from .engine import state
from .preferences import draw_engine, draw_messages, draw_progress
from .runner import runner


class Sidebar:
    """Base of the panels in the SKEL tab."""

    bl_space_type, bl_region_type, bl_category = "VIEW_3D", "UI", "SKEL"


class SKEL_PT_main(Sidebar, bpy.types.Panel):
    """Footage, choices, the button, progress and messages."""

    bl_label = "Reconstruct"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.skel
        column = layout.column()
        column.row().prop(settings, "source", expand=True)
        if settings.source == "CLIP":
            column.template_ID(settings, "clip", open="clip.open")
        else:
            column.prop(settings, "path", text="")
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.column(heading="People").prop(settings, "everyone")
        if not settings.everyone:
            column.prop(settings, "people")
        column.prop(settings, "body")
        if settings.body == "FILE":
            column.prop(settings, "body_file")
        column.prop(settings, "stature")
        column.prop(settings, "lens")
        if settings.lens == "FOV":
            column.prop(settings, "fov")
        elif settings.lens == "PIXELS":
            column.prop(settings, "focal_length")
        heading = column.column(heading="Range")
        heading.prop(settings, "use_range", text="Part of the footage")
        if settings.use_range:
            ends = column.column(align=True)
            ends.prop(settings, "frame_start")
            ends.prop(settings, "frame_end")
        self._draw_run(layout)

    def _draw_run(self, layout: bpy.types.UILayout) -> None:
        if not state.ready and not runner.busy:
            draw_engine(layout)
        elif runner.busy:
            draw_progress(layout)
            if state.ready:
                layout.operator("skel.reconstruct", text="Reconstruct Next", icon="ADD")
            draw_waiting(layout)
        else:
            row = layout.row()
            row.scale_y = 1.6
            row.operator("skel.reconstruct", icon="ARMATURE_DATA")
        draw_messages(layout)


class SKEL_PT_options(Sidebar, bpy.types.Panel):
    """Choices that a first reconstruction does well without."""

    bl_label, bl_parent_id, bl_options = "Options", "SKEL_PT_main", {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        column, settings = self.layout.column(), context.scene.skel
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "regressor")
        if settings.regressor == "hsmr":
            column.prop(settings, "hsmr")
        column.prop(settings, "camera")
        column.prop(settings, "cuts")
        column.prop(settings, "fps")
        column.prop(settings, "again")
        build = column.column(heading="Rigs")
        for name in ("hide", "correct"):
            build.prop(settings, name)
        column.column(heading="Scene").prop(settings, "set_scene")


class SKEL_PT_take(Sidebar, bpy.types.Panel):
    """Saved Takes, and motion files."""

    bl_label, bl_options, bl_order = "Takes and Motion Files", {"DEFAULT_CLOSED"}, 1  # below all others

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.operator("skel.load_take", icon="FILE_FOLDER")
        column.operator("skel.save_take", icon="FILE_TICK")
        column.operator("skel.import_motion", icon="IMPORT")


def draw_waiting(layout: bpy.types.UILayout) -> None:
    """Who waits for the running job, each with a button that takes it out."""
    if not runner.waiting:
        return
    column = layout.column(align=True)
    column.label(text=how_many_wait(), icon="TIME")
    for asked in runner.waiting:
        row = column.row(align=True)
        row.label(text=asked.label, icon="FILE_MOVIE")
        row.operator("skel.forget_waiting", text="", icon="X").number = asked.number


def how_many_wait() -> str:
    return f"{len(runner.waiting)} waiting"


def draw_in_header(menus: bpy.types.Menu, context: bpy.types.Context) -> None:
    """The running job, and what became of it if it failed, in every 3D viewport, whatever its sidebar shows."""
    if runner.busy:
        row = menus.layout.row()
        row.ui_units_x = 14
        draw_progress(row)
        if runner.waiting:
            menus.layout.label(text=how_many_wait())
    elif runner.failure:
        row = menus.layout.row(align=True)
        row.label(text=runner.failure, icon="ERROR")
        row.operator("skel.clear_messages", text="", icon="X", emboss=False)


CLASSES = (SKEL_PT_main, SKEL_PT_options, SKEL_PT_take)
