# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks have in common: their command lines, markdown tables, and pages that hold such tables."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Of a benchmark's command line; its help is the module's text."""
    return argparse.ArgumentParser(prog=f"benchmark {name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def head(columns: Iterable[object]) -> str:
    """The first two lines of a table."""
    cells = list(columns)
    return f"{row(cells)}\n{'|---' * len(cells)}|"


def row(cells: Iterable[object]) -> str:
    """A line of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def write(page: Path, mark: str, text: str) -> None:
    """Put tables between their marks in a page, or at its end; a page, and its folder, that is not there is made."""
    page.parent.mkdir(parents=True, exist_ok=True)
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    old = page.read_text("utf-8") if page.exists() else ""
    if begin not in old:
        old = f"{old.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    page.write_text(f"{old.split(begin)[0]}{begin}\n{text}\n{end}{old.split(end)[1]}", "utf-8")
