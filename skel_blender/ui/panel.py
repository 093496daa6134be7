# SPDX-License-Identifier: GPL-3.0-or-later
"""The SKEL tab of the 3D viewport's sidebar. Drawing computes nothing: it shows settings and what the runner has prepared."""

import bpy

from .engine import status
from .preferences import draw_engine, draw_progress
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
        column.enabled = not runner.busy
        column.row().prop(settings, "source", expand=True)
        if settings.source == "CLIP":
            column.template_ID(settings, "clip", open="clip.open")
        else:
            column.prop(settings, "path", text="")
        column = layout.column()
        column.enabled = not runner.busy
        column.use_property_split, column.use_property_decorate = True, False
        column.column(heading="People").prop(settings, "everyone")
        if not settings.everyone:
            column.prop(settings, "people")
        column.prop(settings, "body")
        if settings.body == "FILE":
            column.prop(settings, "body_file")
        column.prop(settings, "regressor")
        if settings.regressor == "hsmr":
            column.prop(settings, "hsmr")
        column.prop(settings, "lens")
        if settings.lens == "FOV":
            column.prop(settings, "fov")
        elif settings.lens == "PIXELS":
            column.prop(settings, "focal_length")
        column.prop(settings, "camera")
        heading = column.column(heading="Range")
        heading.prop(settings, "use_range", text="Part of the footage")
        if settings.use_range:
            ends = column.column(align=True)
            ends.prop(settings, "frame_start")
            ends.prop(settings, "frame_end")
        column.prop(settings, "again")
        build = column.column(heading="Rigs")
        for name in ("horizontal", "hide", "correct"):
            build.prop(settings, name)
        self._draw_run(layout)

    def _draw_run(self, layout: bpy.types.UILayout) -> None:
        if not status.ready and not runner.busy:
            draw_engine(layout)
        elif runner.busy:
            draw_progress(layout)
        else:
            row = layout.row()
            row.scale_y = 1.6
            row.operator("skel.reconstruct", icon="ARMATURE_DATA")
        if runner.lines:
            box = layout.box().column(align=True)
            for icon, text in runner.lines:
                box.label(text=text, icon=icon)


class SKEL_PT_take(Sidebar, bpy.types.Panel):
    """Saved Takes, and motion files."""

    bl_label = "Takes and Motion Files"

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.operator("skel.load_take", icon="FILE_FOLDER")
        column.operator("skel.save_take", icon="FILE_TICK")
        column.operator("skel.import_motion", icon="IMPORT")


CLASSES = (SKEL_PT_main, SKEL_PT_take)
