# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the real Blender with a window (see real_blender.sh): presses the extension's buttons and watches what happens.

The tests are generators that a timer of Blender's steps, in the order in which they are written: each goes on with what is there.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from xml.sax.saxutils import quoteattr

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True

from tests.blender import at_work, jobs  # noqa: E402
from tests.blender.window import Skip, Steps, shot  # noqa: E402

STEP_S = 0.05


def run_all() -> Steps:
    """Run every test, write what came of it, leave Blender."""
    cases, counts = [], {"failures": 0, "skipped": 0}
    tests = {name: value for module in (at_work, jobs) for name, value in vars(module).items() if name.startswith("test_")}
    for name, test in tests.items():
        inner = ""
        try:
            yield from test()
            print(f"PASS {name}", flush=True)
        except Skip as reason:
            counts["skipped"] += 1
            inner = f"<skipped message={quoteattr(str(reason))}/>"
            print(f"SKIP {name}: {reason}", flush=True)
        except Exception:
            counts["failures"] += 1
            inner = f"<failure message={quoteattr(traceback.format_exc())}/>"
            print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
            yield from shot(f"failed_{name}")
        cases.append(f"<testcase name={quoteattr(name)}>{inner}</testcase>")
    title = quoteattr(f"{os.environ['SKEL_BLENDER_NAME']}, Blender {bpy.app.version_string}")
    head = f'<testsuite name={title} tests="{len(cases)}" errors="0" failures="{counts["failures"]}" skipped="{counts["skipped"]}">'
    Path(os.environ["SKEL_BLENDER_RESULT"]).write_text(f"{head}{''.join(cases)}</testsuite>\n")
    sys.stdout.flush()
    os._exit(1 if counts["failures"] else 0)


def drive(steps: Steps = run_all()) -> float:  # noqa: B008, one run only
    """The timer."""
    next(steps)
    return STEP_S


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(drive, first_interval=2.0, persistent=True)
