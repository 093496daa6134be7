# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `skel-blender`: checks what it is given, makes the environments, runs the engine and the rig builder. Standard library only.

Nothing is written at OUT until all is done: the result is made under a hidden name beside it and then takes its place in one step.
"""

from __future__ import annotations

import signal
import sys

from ..messages import SkelError
from ..status import Status
from .commands import COMMANDS
from .options import parser

CANCELLED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; exit code 0, 1 for an error that the user can mend (one sentence on stderr), 130 for Ctrl-C."""
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    status = Status(sys.stderr)
    try:
        given = parser().parse_args(arguments)
        return COMMANDS[given.command](given, status)
    except SkelError as error:
        status.line(str(error))
        return 1
    except OSError as error:
        status.line(f"{error.filename or 'A file'} could not be used ({error.strerror or error}).")
        return 1
    except KeyboardInterrupt:
        status.line("Cancelled; nothing was written.")
        return CANCELLED
