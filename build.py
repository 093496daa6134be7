#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the extension's zip, the same bytes every time: `python build.py`. Standard library only.

The archive has the manifest, the licences and NOTICES.md at its root, beside the content of skel_blender/ (so that Blender
imports the package as bl_ext.REPOSITORY.skel_blender), with the open body's data and the landmark model packed in.
"""

from __future__ import annotations

import argparse
import fnmatch
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from skel_blender import environment
from skel_blender.files import whole_file
from skel_blender.messages import SkelError

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "skel_blender"
MANIFEST = ROOT / "blender_manifest.toml"
LEGAL = (ROOT / "LICENSE", ROOT / "NOTICES.md")
MODEL_MEMBER = "engine/data/pose_landmarker_heavy.task"
DATA_MEMBERS = ("engine/body/data/open_male.npz", "engine/body/data/open_female.npz", "engine/regress/data/landmark_correction.npz",
                "engine/regress/lift/data/lift.safetensors")  # fmt: skip
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold


def members(model: Path) -> dict[str, Path]:
    """Name in the archive -> file on disk, sorted. `model` is the landmark model. Raises SkelError if a file is missing."""
    excluded = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["build"]["paths_exclude_pattern"]
    found = {path.relative_to(PACKAGE).as_posix(): path for path in _files(PACKAGE, excluded)}
    found |= {path.relative_to(ROOT).as_posix(): path for path in (MANIFEST, *LEGAL, *sorted((ROOT / "LICENSES").iterdir()))}
    found[MODEL_MEMBER] = model
    missing = [name for name in DATA_MEMBERS if name not in found]
    missing += [name for name, path in found.items() if not path.is_file()]
    if missing:
        raise SkelError("incomplete", f"The extension lacks {', '.join(missing)}.", "Check out the whole repository.")
    return dict(sorted(found.items()))


def write_zip(files: dict[str, Path], path: Path) -> None:
    """Write the archive whole or not at all; its bytes depend on the names and contents of the files only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, source in files.items():
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # or the bytes would tell Windows from the others
            archive.writestr(entry, source.read_bytes())  # stored: nearly all is packed already, and zlib's bytes vary


def version() -> str:
    """The version number, which the manifest alone holds."""
    return tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["version"]


def validate(blender: str, path: Path) -> int:
    """Ask a Blender program whether it takes the archive; its exit code."""
    return subprocess.run([blender, "--factory-startup", "--command", "extension", "validate", str(path)]).returncode


def _files(folder: Path, excluded: list[str]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        name = path.name + "/" * path.is_dir()
        if any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path.name, pattern) for pattern in excluded):
            continue
        if path.is_dir():
            yield from _files(path, excluded)
        else:
            yield path


def main(arguments: list[str]) -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(description="Make the Blender extension.")
    parser.add_argument("--out", type=Path, help="the archive (default: dist/skel_blender-VERSION.zip)")
    parser.add_argument("--validate", metavar="BLENDER", help="let this Blender program check the archive")
    options = parser.parse_args(arguments)
    path = options.out or ROOT / "dist" / f"skel_blender-{version()}.zip"
    try:
        files = members(environment.landmark_model(environment.default_root()))
        write_zip(files, path)
    except (SkelError, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    print(f"{path} ({len(files)} files, {path.stat().st_size / 1e6:.1f} MB)")
    return validate(options.validate, path) if options.validate else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
