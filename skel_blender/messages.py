# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine's process tells its caller: one JSON object a line on standard output.

Contract. The engine, started with `--events`, writes nothing else on standard output. Events come in any number and order,
except that exactly one of `Done` and `Failed` is the last. Arrays never travel here: they travel by file.
Both ends use the classes below, so that a name cannot drift between writer and reader.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import IO


class SkelError(Exception):
    """An error that the user can do something about.

    `code` is one stable word for programs, `what` says what happened and `todo` what to do; both are one sentence.
    """

    def __init__(self, code: str, what: str, todo: str) -> None:
        super().__init__(f"{what} {todo}")
        self.code, self.what, self.todo = code, what, todo


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps of `stage`; `eta_s` seconds left of the whole run, negative while unknown."""

    stage: str
    done: int
    total: int
    eta_s: float = -1.0


@dataclass(frozen=True)
class Log:
    """A line for the user; `level` is 'info', 'warning', or 'detail': what who looks at the scene sees anyhow."""

    level: str
    text: str


@dataclass(frozen=True)
class Done:
    """The run succeeded; the Take lies at `path`."""

    path: str


@dataclass(frozen=True)
class Failed:
    """The run ended without a result; the fields are those of SkelError, code 'cancelled' for a stop that was asked for."""

    code: str
    what: str
    todo: str


Event = Progress | Log | Done | Failed
_TYPES = {cls.__name__.lower(): cls for cls in (Progress, Log, Done, Failed)}


def encode(event: Event) -> str:
    """One line of JSON, without the newline."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)}, ensure_ascii=True)


def decode(line: str) -> Event | None:
    """The event in a line; None for a line that is none (a library that prints to standard output)."""
    try:
        fields = json.loads(line)
        return _TYPES[fields.pop("event")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write(event: Event, stream: IO[str]) -> None:
    """Write one event and flush, so that the reader sees it at once."""
    stream.write(encode(event) + "\n")
    stream.flush()
