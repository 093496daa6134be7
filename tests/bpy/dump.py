# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a file and its window hold, as text: two dumps that are equal mean that nothing has changed."""

from __future__ import annotations

import bpy

# What changes by looking, or is Blender's own bookkeeping.
_IGNORED = {
    "rna_type", "is_updated", "is_updated_data", "is_evaluated", "tag", "original", "bl_rna", "depsgraph", "users", "is_runtime_data",
    "preview", "session_uid", "active_operator", "operators", "windows", "autosave", "clipboard", "children_recursive",
    "is_embedded_data", "dimensions", "bound_box", "uv_layer_clone", "uv_layer_stencil", "color_attributes", "loop_triangles",
    "loop_triangle_polygons", "storage_type",
}  # fmt: skip
_BULK = ("co", "uv", "vector", "value", "vertex_index", "vertices")  # what counts of one of many items
_MANY = 60
_LEFT_OUT = {"EditBone", "ToolSettings", "UnifiedPaintSettings", "SceneEEVEE", "CyclesRenderSettings", "ColorManagedViewSettings"}


def dump() -> dict[str, str]:
    """Path -> value, for all datablocks but those of the user interface, and for what is shown, active, selected and in which mode."""
    result: dict[str, str] = {}
    seen: set[tuple[int, str]] = set()
    for kind in bpy.data.bl_rna.properties.keys():
        blocks = getattr(bpy.data, kind)
        if kind in ("window_managers", "workspaces", "screens", "brushes") or not isinstance(blocks, bpy.types.bpy_prop_collection):
            continue
        for block in blocks:
            _struct(result, f"{kind}/{block.name}", block, seen)
            result[f"{kind}/{block.name}/users"] = str(block.users)
    for index, window in enumerate(bpy.context.window_manager.windows):
        result[f"window/{index}"] = f"{window.scene.name} {window.view_layer.name}"
    context = bpy.context
    result["context"] = f"{context.mode} {context.active_object} {[thing.name for thing in context.selected_objects]}"
    for layer in context.scene.view_layers:
        for thing in layer.objects:
            state = thing.select_get(view_layer=layer), thing.hide_get(view_layer=layer), thing.mode
            result[f"{layer.name}/{thing.name}"] = str(state)
    return result


def _struct(result: dict[str, str], path: str, thing: bpy.types.bpy_struct, seen: set[tuple[int, str]]) -> None:
    """All properties of a struct and of those that it owns, each struct once."""
    own = thing.as_pointer(), thing.bl_rna.identifier
    if own in seen or own[1] in _LEFT_OUT:
        return
    seen.add(own)
    for prop in thing.bl_rna.properties:
        name = prop.identifier
        if name in _IGNORED:
            continue
        try:
            value = getattr(thing, name)
        except (AttributeError, RuntimeError, ValueError, TypeError):
            continue
        _value(result, f"{path}/{name}", name, value, seen)
    if hasattr(thing, "keys") and not isinstance(thing, bpy.types.bpy_prop_collection):
        try:
            for key in thing.keys():
                own = thing[key]
                result[f"{path}[{key}]"] = _text(own.to_list() if hasattr(own, "to_list") else own)
        except TypeError:
            pass  # a struct that can hold no custom properties


def _value(result: dict[str, str], path: str, name: str, value: object, seen: set[tuple[int, str]]) -> None:
    if isinstance(value, bpy.types.ID):
        result[path] = f"-> {value.name_full}"
    elif isinstance(value, bpy.types.bpy_prop_collection):
        result[f"{path}#"] = str(len(value))
        field = next((field for field in _BULK if len(value) and hasattr(value[0], field)), None)
        if field and name != "bones" and (len(value) > _MANY or name == "keyframe_points"):
            numbers = [getattr(item, field) for item in value]
            result[path] = str(hash(tuple(tuple(number) if hasattr(number, "__len__") else number for number in numbers)))
            return
        if name in ("bones", "edit_bones") and bpy.context.mode == "EDIT_ARMATURE":
            return
        for index, item in enumerate(value):
            if isinstance(item, bpy.types.ID):
                result[f"{path}[{index}]"] = f"-> {item.name_full}"
            elif item is not None:
                _struct(result, f"{path}[{index}]", item, seen)
    elif isinstance(value, bpy.types.bpy_struct):
        _struct(result, path, value, seen)
    else:
        result[path] = _text(value)


def _text(value: object) -> str:
    """Numbers to the fifth decimal, since what Blender derives from others may differ in the last bit."""
    if isinstance(value, float):
        return f"{value:.5f}".replace("-0.00000", "0.00000")
    if hasattr(value, "__getitem__") and not isinstance(value, str):
        return f"[{', '.join(_text(item) for item in value)}]"
    return repr(value)


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is not the same, as sentences."""
    return [f"{path}: {before.get(path)} -> {after.get(path)}" for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
