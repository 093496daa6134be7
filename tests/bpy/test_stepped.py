# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that work in steps: what they show, how they end, and that Esc ends them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skel_blender.messages import SkelError
from skel_blender.rig.editing.steps import Step
from skel_blender.ui import stepped


class Counting(stepped.SteppedOperator):
    """Counts to `most`, then perhaps fails."""

    def __init__(self, most, fails=False):
        self.most, self.fails, self.reports, self.made, self.closed = most, fails, [], None, False

    def steps(self, context):
        try:
            for k in range(self.most):
                yield Step("Counting", (k + 1) / self.most)
        finally:
            self.closed = True
        if self.fails:
            raise SkelError("cannot", "It cannot be done.", "Do something else.")
        return self.most

    def done(self, context, made):
        self.made = made

    def report(self, kind, text):
        self.reports.append(text)


class Window:
    """Takes a context's place and keeps what it is told."""

    def __init__(self):
        self.shown, self.progress, self.timers = [], [], 0
        self.window, self.workspace, self.window_manager = object(), SimpleNamespace(status_text_set=self.shown.append), self

    def event_timer_add(self, seconds, window):
        self.timers += 1
        return "timer"

    def event_timer_remove(self, timer):
        assert timer == "timer"
        self.timers -= 1

    def progress_begin(self, first, last):
        assert (first, last) == (0.0, 1.0)

    def progress_update(self, done):
        self.progress.append(done)

    def progress_end(self):
        self.progress.append("end")

    def modal_handler_add(self, operator):
        self.operator = operator


@pytest.fixture
def window(monkeypatch):
    monkeypatch.setattr(stepped, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
    monkeypatch.setattr(stepped, "_SLICE_S", 0.0)  # a step at a time
    return Window()


def event(kind, value="PRESS"):
    return SimpleNamespace(type=kind, value=value)


def test_it_shows_how_far_it_is_and_ends(window):
    operator = Counting(3)
    assert operator.invoke(window, event("LEFTMOUSE")) == {"RUNNING_MODAL"} and window.operator is operator
    assert operator.modal(window, event("A")) == {"RUNNING_MODAL"} and not window.shown  # other keys do nothing
    results = [operator.modal(window, event("TIMER")) for _ in range(4)]
    assert results == [{"RUNNING_MODAL"}] * 3 + [{"FINISHED"}] and operator.made == 3
    assert window.shown[1] == "Counting: 67 %    (Esc: cancel)" and window.shown[-1] is None
    assert window.progress == [1 / 3, 2 / 3, 1.0, "end"] and window.timers == 0


def test_what_blocks_is_shown_before(window, monkeypatch):
    monkeypatch.setattr(stepped, "_SLICE_S", 60.0)
    operator = Counting(3)
    operator.steps = lambda context: iter([Step("Counting", 0.1), Step("Waiting", 0.5, blocks=True), Step("Counting", 0.9)])
    operator.invoke(window, event("LEFTMOUSE"))
    assert operator.modal(window, event("TIMER")) == {"RUNNING_MODAL"} and window.shown == ["Waiting: 50 %    (Esc: cancel)"]
    assert operator.modal(window, event("TIMER")) == {"FINISHED"}


def test_it_is_ended_when_the_window_goes(window):
    operator = Counting(3)
    operator.invoke(window, event("LEFTMOUSE"))
    operator.modal(window, event("TIMER"))
    operator.cancel(window)
    assert operator.closed and operator.made is None and window.timers == 0 and not operator.reports


def test_what_has_not_begun_is_cancelled_in_silence(window):
    """As by the file browser's button."""
    operator = Counting(3)
    operator.cancel(window)
    assert not operator.reports and not window.shown and window.timers == 0


def test_esc_ends_it(window):
    operator = Counting(3)
    operator.invoke(window, event("LEFTMOUSE"))
    operator.modal(window, event("TIMER"))
    assert operator.modal(window, event("ESC", "RELEASE")) == {"RUNNING_MODAL"}
    assert operator.modal(window, event("ESC")) == {"CANCELLED"}
    assert operator.closed and operator.made is None and window.timers == 0 and window.shown[-1] is None
    assert operator.reports == ["Cancelled, nothing was changed."]


def test_a_failure_is_one_sentence(window):
    operator = Counting(1, fails=True)
    operator.invoke(window, event("LEFTMOUSE"))
    assert [operator.modal(window, event("TIMER")) for _ in range(2)] == [{"RUNNING_MODAL"}, {"CANCELLED"}]
    assert operator.reports == ["It cannot be done. Do something else."] and window.timers == 0


def test_without_a_window_it_works_at_once(window):
    operator = Counting(1000)
    assert operator.execute(window) == {"FINISHED"} and operator.made == 1000 and not window.shown
    window.window = None
    assert operator.invoke(window, event("LEFTMOUSE")) == {"FINISHED"}
