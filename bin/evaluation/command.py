# SPDX-License-Identifier: GPL-3.0-or-later
"""`bin/evaluate`: read two files, compare them, print markdown tables."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path

from bin.benchmarks.report import head, row
from bin.evaluation.readers import Models, read_samples
from bin.evaluation.samples import check_pair
from bin.evaluation.scores import Scores, score
from bin.evaluation.violations import THRESHOLDS
from skel_blender.cli.options import Parser
from skel_blender.engine.body import load_body
from skel_blender.messages import SkelError

_UNITS = {"acceleration error": "mm/frame2"}


def main(arguments: list[str]) -> int:
    """Print the tables; exit code 0, or 1 with one sentence on stderr for what the user can mend."""
    try:
        options = _parser().parse_args(arguments)
        models = Models(load_body(options.skel) if options.skel else None, options.smpl)
        found = read_samples(options.predictions, models, truth=False, person=options.person)
        truth = read_samples(options.truth, models, truth=True, person=options.truth_person)
        if options.select:
            if found.names is None and found.count == truth.count:
                found = replace(found, names=truth.names)
            truth = truth.select(options.select)
            found = found.select(options.select) if found.names is not None and not found.numbered else found
        check_pair(found, truth)
        scores = score(found, truth, options.joints)
        print(table(scores))
        if options.json:
            options.json.write_text(json.dumps(asdict(scores), indent=1) + "\n", "utf-8")
    except SkelError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'A file'} could not be used ({error.strerror or error}).", file=sys.stderr)
        return 1
    return 0


def _parser() -> Parser:
    parser = Parser(prog="bin/evaluate", description="Score predictions against ground truth; docs/evaluate.md has the layouts.")
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="a .npz of predictions, or a Take")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="labels of HMR2.0 or HSMR, a .npz laid out like predictions, or a Take")
    parser.add_argument("--skel", type=Path, metavar="FILE", help="skel_male.pkl, with HSMR's joint regressors beside it or one folder up")
    parser.add_argument("--smpl", type=Path, metavar="FILE", help="SMPL's model file, or the folder of SMPL_NEUTRAL.pkl, SMPL_MALE.pkl ...")
    parser.add_argument("--select", metavar="TEXT", help="only pictures whose name contains TEXT")
    parser.add_argument("--joints", type=_numbers, metavar="N,N,...", help="which of the 44 keypoints 3D errors are averaged over")
    parser.add_argument("--person", type=int, default=1, metavar="N", help="Person N of a Take of predictions (default: 1)")
    parser.add_argument("--truth-person", type=int, default=1, metavar="N", help="Person N of a Take that is the truth (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,2}(,\d{1,2})*", text, re.ASCII) or max(map(int, text.split(","))) > 43:
        raise argparse.ArgumentTypeError(f"'{text}' are not keypoints from 0 to 43 such as 25,26,27")
    return tuple(map(int, text.split(",")))


def table(scores: Scores) -> str:
    """Markdown."""
    heads = [name if name.startswith("PCK") else f"{name} {_UNITS.get(name, 'mm')}" for name in scores.figures]
    cells = [f"{value:.3f}" if name.startswith("PCK") else f"{value:.1f}" for name, value in scores.figures.items()]
    lines = [head(["pictures", *heads]), row([scores.count, *cells])]
    for who, shares in scores.violations.items():
        lines += ["", f"Joint violations of the {who}, share of the pictures:", ""]
        lines += [head(["joint", *(f"beyond {limit} degrees" for limit in THRESHOLDS)])]
        lines += [row([part, *(f"{value:.1%}" for value in values)]) for part, values in shares.items()]
    if scores.angles:
        lines += ["", "Angles, mean error:", "", head(["region", "degrees"])]
        lines += [row([name, f"{value:.1f}"]) for name, value in scores.angles.items()]
    return "\n".join(lines + [""] + scores.notes)
