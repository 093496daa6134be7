# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m skel_blender.opensim TAKE.npz --out OUT.osim|.mot|.trc [--person N] [--mass KG] [--overwrite]`: a Take for OpenSim.

Everybody in the Take is written: the first as OUT, the others as OUT_2, OUT_3 and so on; with --person that one alone, as OUT.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .. import take as takes
from ..messages import SkelError
from . import ENDINGS, numbered, targets, write


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 for an error that the user can mend (one sentence on stderr)."""
    parser = argparse.ArgumentParser(prog="python -m skel_blender.opensim", description="Write a Take as OpenSim's files.")
    parser.add_argument("take", type=Path, metavar="TAKE.npz")
    parser.add_argument("--out", type=Path, required=True, help=f"ends in {', '.join(ENDINGS)}; .osim writes all three and the bones")
    parser.add_argument("--person", type=int, metavar="N", help="Person N alone (default: everybody)")
    parser.add_argument("--mass", type=float, metavar="KG", help="the person's mass (default: from the volume of the skin)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    given = parser.parse_args(arguments)
    try:
        _run(given)
    except SkelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(given: argparse.Namespace) -> None:
    out = given.out.absolute()
    out = out.with_suffix(out.suffix.lower())
    if out.suffix not in ENDINGS:
        raise SkelError("ending", f"OUT must end in one of {', '.join(ENDINGS)}, not '{out.suffix}'.", "Choose one of them.")
    if not out.parent.is_dir():
        raise SkelError("no_folder", f"There is no folder {out.parent}.", "Make it or choose another.")
    if given.mass is not None and not 0.0 < given.mass < 1000.0:
        raise SkelError("usage", f"'{given.mass}' is not a mass in kilograms.", "Give one such as 75.")
    take = takes.load(given.take)
    people = range(len(take.people)) if given.person is None else (takes.index_of([one.name for one in take.people], given.person),)
    names = numbered(out, len(people))
    for path in (path for name in names for path in targets(name)):
        if path.exists() and not given.overwrite:
            raise SkelError("exists", f"{path} exists already.", "Choose another name or add --overwrite.")
    for person, name in zip(people, names):
        for path in write(take, person, name, mass=given.mass):
            if path.suffix in ENDINGS:
                print(f"Wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
