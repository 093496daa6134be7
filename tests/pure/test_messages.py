# SPDX-License-Identifier: GPL-3.0-or-later
"""messages.py: what one process writes the other reads, and nothing else passes."""

from __future__ import annotations

import io
import json

import pytest

from skel_blender import messages

EVENTS = [
    messages.Progress("fit", 3, 10, 12.5),
    messages.Progress("detect", 0, 0),
    messages.Log("warning", "two lines\nin one text, with 'quotes' and ünïcödé \u2028"),
    messages.Done("/tmp/Ein Ordner/täke.npz"),
    messages.Failed("no_person", "Nobody was found.", "Choose another clip."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_the_pipe_as_one_plain_line(event):
    line = messages.encode(event)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert messages.decode(line) == event


@pytest.mark.parametrize("line", [
    "", "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", "{", "null", "3", "[1]", '"done"', "{}", '{"event": "nonsense"}',
    '{"event": "done"}', '{"event": "done", "path": "a", "more": 1}', '{"event": ["done"], "path": "a"}',
])  # fmt: skip
def test_a_line_that_is_no_event_is_told_apart(line):
    assert messages.decode(line) is None


def test_events_are_written_at_once_and_one_a_line():
    class Stream(io.StringIO):
        flushed = ""

        def flush(self) -> None:
            self.flushed = self.getvalue()

    stream = Stream()
    for event in EVENTS:
        messages.write(event, stream)
        assert stream.flushed == stream.getvalue()
    assert [messages.decode(line) for line in stream.getvalue().splitlines()] == EVENTS


def test_the_names_on_the_wire_stay():
    assert json.loads(messages.encode(messages.Progress("fit", 1, 2, 3.0))) == {
        "event": "progress", "stage": "fit", "done": 1, "total": 2, "eta_s": 3.0}  # fmt: skip
    assert json.loads(messages.encode(messages.Failed("a", "B.", "C."))) == {"event": "failed", "code": "a", "what": "B.", "todo": "C."}


def test_an_error_reads_as_what_happened_and_what_to_do():
    error = messages.SkelError("no_input", "There is no file a.mp4.", "Check the path.")
    assert str(error) == "There is no file a.mp4. Check the path."
    assert (error.code, error.what, error.todo) == ("no_input", "There is no file a.mp4.", "Check the path.")
