# SPDX-License-Identifier: GPL-3.0-or-later
"""The border between Blender's process and the engine's, read off the source: who imports what."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "skel_blender"
MODULES = {path.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", "."): path for path in PACKAGE.rglob("*.py")}

BLENDER = {"bpy", "bpy_extras", "bmesh", "mathutils", "gpu", "blf", "aud", "addon_utils"}
ENGINE = {"torch", "cv2", "mediapipe", "ai_edge_litert", "scipy", "smplx", "av", "PIL", "safetensors", "pycolmap"}
BLENDER_SIDE = ("rig", "ui", "export")
STANDARD_ONLY = (
    "messages", "files", "job", "requests", "who", "environment", "packages", "install", "cli", "status", "sequence", "limit_sources",
)  # fmt: skip
ENGINE_LAYERS = ("footage", "people", "body", "background", "regress", "fit", "imports")  # each imports from those before it at most
NUMPY_AT_MOST = ("anatomy", "kinematics", "take", "opensim")


def imports(name: str, path: Path) -> set[str]:
    """Dotted names that a module imports anywhere in it, relative ones resolved."""
    package = name.removesuffix(".__init__") if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            found |= {prefix, *(f"{prefix}.{alias.name}" for alias in node.names)}
    return found


def outside(name: str) -> set[str]:
    """Top-level names of what a module imports from other packages."""
    return {imported.partition(".")[0] for imported in imports(name, MODULES[name])} - {"skel_blender", ""}


def part(name: str) -> str:
    """The folder of a module below the package, or its own name at the top."""
    return name.split(".")[1] if name.count(".") else ""


def test_the_package_was_found():
    assert {"skel_blender.__init__", "skel_blender.engine.__main__", "skel_blender.rig.compat"} <= set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) == "engine"])
def test_engine_never_imports_blender(name):
    assert not outside(name) & BLENDER
    assert not {imported for imported in imports(name, MODULES[name]) if part(imported) in (*BLENDER_SIDE, "job", "environment")}


@pytest.mark.parametrize("layer", ENGINE_LAYERS)
def test_a_layer_of_the_engine_imports_from_those_before_it(layer):
    later = {f"skel_blender.engine.{name}" for name in ENGINE_LAYERS[ENGINE_LAYERS.index(layer) + 1 :]}
    own = [name for name in MODULES if name.startswith(f"skel_blender.engine.{layer}.")]
    used = {(name, other) for name in own for other in imports(name, MODULES[name])}
    assert own and not {(name, other) for name, other in used if ".".join(other.split(".")[:3]) in later}


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) != "engine"])
def test_nothing_but_the_engine_imports_its_libraries(name):
    assert not outside(name) & ENGINE
    assert not {imported for imported in imports(name, MODULES[name]) if part(imported) == "engine"}


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) not in ("engine", *BLENDER_SIDE)])
def test_shared_modules_import_no_more_than_they_may(name):
    allowed = {"numpy"} if part(name) in NUMPY_AT_MOST else set()
    assert part(name) in (*STANDARD_ONLY, *NUMPY_AT_MOST, "__init__"), "a new shared module: say here what it may import"
    assert outside(name) <= set(sys.stdlib_module_names) | allowed


@pytest.mark.parametrize("name", [name for name in MODULES if part(name) in BLENDER_SIDE])
def test_blender_side_needs_only_what_blender_brings(name):
    assert outside(name) <= set(sys.stdlib_module_names) | BLENDER | {"numpy"}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("skel_blender.rig.") and ".editing" not in name])
def test_what_rigs_are_made_of_needs_nothing_of_what_edits_them(name):
    assert not [imported for imported in imports(name, MODULES[name]) if imported.startswith("skel_blender.rig.editing")]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_package_is_imported_by_relative_names_only(name):
    """As an extension it is `bl_ext.<repository>.skel_blender`."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        assert not [imported for imported in names if imported.partition(".")[0] == "skel_blender"]


def test_a_module_imports_only_what_stands_above_it():
    """In the layout of CONTRIBUTING.md, which names what is excepted."""
    layout = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\nskel_blender/\n")[1].split("\ntests/")[0]
    names = [line[2:].split("  ")[0] for line in layout.splitlines() if not line.startswith("   ")]
    order = [word.removesuffix("/").removesuffix(".py") for line in names for word in line.split()]
    assert {part(name) for name in MODULES} - {"", "__init__"} == set(order) - {"locks"}
    used = {(name, other) for name, path in MODULES.items() if part(name) in order for other in imports(name, path) if part(other) in order}
    below = {(name, other) for name, other in used if order.index(part(other)) > order.index(part(name))}
    assert {other for name, other in below if part(name) == "cli"} <= {"skel_blender.export", "skel_blender.export.presets"}
    assert {name for name, _ in below if part(name) != "cli"} == {"skel_blender.rig.__main__"}


def test_one_file_asks_for_blenders_version():
    asking = {name for name, path in MODULES.items() if "app.version" in path.read_text(encoding="utf-8")}
    assert asking == {"skel_blender.rig.compat"}


def test_importing_the_package_is_light():
    code = "import sys; before = set(sys.modules); import skel_blender; print(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["skel_blender"]


def test_the_command_line_starts_without_any_library():
    code = "import sys, skel_blender.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert not set(result.stdout.split()) & (ENGINE | BLENDER | {"numpy"})
