# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone maps as files of the user's own: one JSON file each, {"format", "version", "bones": {slot: bone}}. Standard library only."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ...files import whole_file
from ...messages import SkelError
from .slots import BY_NAME, Mapping

FORMAT, VERSION = "skel_blender bone map", 1


def listed(folder: Path) -> list[str]:
    """The names of the maps in a folder."""
    return sorted(path.stem for path in folder.glob("*.json"))


def save(folder: Path, name: str, mapping: Mapping) -> Path:
    """Write a map under a name, in place of one that had it; whole or not at all. Raises SkelError if it can't be."""
    stem = re.sub(r"[^\w .()-]", "_", name).strip(" .")
    if not stem:
        raise SkelError("no_name", "The bone map has no name.", "Type one.")
    path = folder / f"{stem}.json"
    content = {"format": FORMAT, "version": VERSION, "bones": {slot: bone for slot, bone in mapping.items() if bone}}
    with whole_file(path) as part:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(folder: Path, name: str) -> Mapping:
    """Read a map. Raises SkelError if it is missing or none."""
    path = folder / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SkelError("no_file", f"There is no bone map {name}.", "Save one first.") from error
    except (OSError, ValueError) as error:
        raise SkelError("bad_map", f"{path} can't be read.", "Delete it and save the bone map again.") from error
    bones = content.get("bones") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(bones, dict) or content.get("version") != VERSION:
        raise SkelError("bad_map", f"{path} is not a bone map of this version.", "Delete it and save the bone map again.")
    if not all(slot in BY_NAME and isinstance(bone, str) for slot, bone in bones.items()):
        raise SkelError("bad_map", f"{path} names an unknown part.", "Delete it and save the bone map again.")
    return bones


def delete(folder: Path, name: str) -> None:
    """Remove a map from the disk; nothing happens if it is gone already."""
    (folder / f"{name}.json").unlink(missing_ok=True)
