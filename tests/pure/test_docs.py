# SPDX-License-Identifier: GPL-3.0-or-later
"""What README and the other pages name is there: files, functions, benchmarks with their options, commands and theirs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skel_blender.cli import options

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "tests" / "data").glob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
FILES = [path.relative_to(ROOT).as_posix() for folder in ("bin", "docs", "skel_blender", "tests") for path in (ROOT / folder).rglob("*")
         if "__pycache__" not in path.parts]  # fmt: skip
ELSEWHERE = {"hmr2/utils/pose_utils.py", "engine/data/pose_landmarker_heavy.task"}  # of another program, and in the extension alone
ENDINGS = {"csv", "json", "npy", "npz", "pkl", "py"}  # of files
BLENDERS = {"Paste Flipped", "Set Floor", "Constraint to F-Curve", "Playback", "Relative Paths",
            "File > External Data > Find Missing Files"}  # its own buttons and menus  # fmt: skip
JOINED = {"Heel Rests", "Ball Rests", "Toe Rests"}  # names that the program puts together
PROGRAM = re.compile(r"(?:\./)?bin/skel-blender ")


def named(text: str) -> Iterator[str]:
    """What stands between back-ticks in the running text, without its line breaks."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))


def shown(text: str) -> Iterator[str]:
    """The lines of blocks, without what is said beside them."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from (line.strip().split("  ")[0] for line in block.splitlines())


def everywhere() -> Iterator[tuple[str, str]]:
    """Names of the pages, and what each names and shows."""
    for page, text in TEXTS.items():
        yield from ((page.name, span) for span in (*named(text), *shown(text)))


def is_there(name: str) -> bool:
    """Whether a file or folder is called so, or its path ends so; `*` stands for anything."""
    pattern = re.compile("(?:.*/)?" + ".*".join(map(re.escape, name.rstrip("/").split("*"))))
    return any(pattern.fullmatch(file) for file in FILES)


def test_links_lead_to_files():
    for page, text in TEXTS.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_that_are_named_are_there():
    program = re.compile(r"(?:\./)?((?:bin|docs|skel_blender|tests|engine|rig|ui|export)/[\w*./-]+|[\w*/-]+\.(?:py|sh))")
    told = [(page, match[1]) for page, span in everywhere() for word in span.split() if (match := program.fullmatch(word))]
    assert len(told) > 100
    missing = [(page, name) for page, name in told if name not in ELSEWHERE and not (is_there(name) or is_there(f"skel_blender/{name}"))]
    assert missing == []


def test_functions_and_tests_that_are_named_are_there():
    """As `kinematics.skin` is: some file or package of that name has that word."""
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in FILES if file.endswith(".py")}
    dotted = re.compile(r"(?:\w+\.)*(\w+)\.(\w+)(?:\(.*)?")
    checked = 0
    for page, match in ((page, dotted.fullmatch(span)) for page, text in TEXTS.items() for span in named(text)):
        module, name = match.groups() if match else ("", "")
        own = [text for file, text in sources.items() if file.endswith((f"/{module}.py", f"/{module}/__init__.py"))]
        if own and name not in ENDINGS:
            checked += 1
            assert any(re.search(rf"\b{name}\b", text) for text in own), f"{page.name}: {match[0]}"
    assert checked > 10
    tests = "\n".join(text for file, text in sources.items() if file.startswith("tests/"))
    for page, span in everywhere():
        if (match := re.fullmatch(r"(test_\w+)(?:\.\.\.)?", span)) and not is_there(f"{span}.py"):
            assert f"def {match[1]}" in tests, f"{page}: {span}"


def bold(text: str) -> Iterator[str]:
    """What is bold within a line; where one begins it may be a heading."""
    text = re.sub(r"```.*?```|`[^`]*`", "code", text, flags=re.DOTALL)
    for match in re.finditer(r"\*\*([^*]+)\*\*", text):
        if text[: match.start()].rpartition("\n")[2].strip(" -.0123456789"):
            yield " ".join(match[1].split())


def test_panels_and_buttons_have_the_names_that_are_told():
    sources = [(ROOT / file).read_text(encoding="utf-8") for file in FILES if re.match(r"skel_blender/(ui|rig|export)/.*py$", file)]
    told = {(page.name, name) for page, text in TEXTS.items() for name in bold(text)}
    assert len(told) > 20
    told = {(page, name) for page, name in told if name not in BLENDERS | JOINED}
    assert {(page, name) for page, name in told if not any(f'"{name}"' in text for text in sources)} == set()


def test_benchmarks_that_are_named_are_there_and_take_those_options():
    listed = subprocess.run([sys.executable, ROOT / "bin" / "benchmark"], capture_output=True, text=True, check=True).stdout
    known = {line.split()[0] for line in listed.splitlines()}
    called = [(page, span.split("bin/benchmark ")[1].split()) for page, span in everywhere() if "bin/benchmark " in span]
    assert len(called) > 20
    for page, (name, *words) in called:
        assert name in known, f"{page}: {name}"
        source = (ROOT / "bin" / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
        for word in words:
            assert not word.startswith("--") or f'"{word}"' in source, f"{page}: {name} {word}"
        if "--write" in words and words[-1].endswith(".md"):
            assert words[-1] == f"docs/{page}", f"{page}: {name} writes {words[-1]}"


@pytest.mark.parametrize(("program", "folder"), [("evaluate", "evaluation"), ("train-lift", "lifting")])
def test_options_that_are_shown_are_taken(program, folder):
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bin" / folder).glob("*.py"))
    told = {(page, word) for page, span in everywhere() if f"bin/{program} " in span for word in re.findall(r"--[a-z][a-z\d-]*", span)}
    assert told and {(page, word) for page, word in told if f'"{word}"' not in sources} == set()


def test_what_shows_the_open_body_is_there():
    tools = {match[1] for _, span in everywhere() if (match := re.match(r"(?:\./)?bin/build-open-body ([a-z]+)", span))}
    script = (ROOT / "bin" / "build-open-body").read_text(encoding="utf-8")
    assert tools and tools <= set(re.findall(r"[a-z]+", re.search(r"case .*? in\n(.*)\nesac", script, re.DOTALL)[1]))


def test_tables_that_benchmarks_write_have_their_marks():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bin" / "benchmarks").glob("*.py"))
    marks = [(page, mark) for page, text in TEXTS.items() for mark in re.findall(r"<!-- (\S+): begin -->", text)]
    assert len(marks) > 10
    for page, mark in marks:
        assert f"<!-- {mark}: end -->" in TEXTS[page] and f'"{mark}"' in sources, f"{page.name}: {mark}"


def test_tables_are_whole_and_have_one_head():
    found = [(page.name, match[0]) for page, text in TEXTS.items() for match in re.finditer(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    assert len(found) > 40
    for page, lines in found:
        head, rule, *rows = lines.splitlines()
        cells = {row.count("|") - row.count("\\|") for row in (head, rule, *rows)}
        assert len(cells) == 1 and re.fullmatch(r"\|( ?-+ ?\|)+", rule) and rows and head not in rows, f"{page}: {head}"


def test_commands_that_are_shown_are_understood():
    """Those without brackets and numbers that are left open; their files need not be there."""
    commands = [(page, span) for page, span in everywhere() if PROGRAM.match(span) and not re.search(r"[\[|]| A,B", span)]
    assert len(commands) > 6
    for page, span in commands:
        words = shlex.split(span)[1:]
        assert options.parser().parse_args(words).command == words[0], f"{page}: {span}"


def table(text: str, head: str) -> list[str]:
    """The rows of the table whose head begins with that word."""
    return re.search(rf"^\| {head} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)[1].splitlines()


@pytest.mark.parametrize(("page", "command", "usual"), [
    ("README.md", "reconstruct", {"--help", "--out"}), ("docs/import.md", "import", {"--help", "--out", "--overwrite"}),
])  # fmt: skip
def test_the_table_of_options_is_that_of_the_command(page, command, usual):
    commands = next(action for action in options.parser()._actions if action.dest == "command").choices[command]
    own = {name: action for group in commands._action_groups if group.title != "export" for action in group._group_actions
           for name in action.option_strings if name.startswith("--")}  # fmt: skip
    rows = table(TEXTS[ROOT / page], "option")
    assert {name for row in rows for name in re.findall(r"--[a-z-]+", row)} == set(own) - usual
    for row in rows:
        name, *values = row.split("|")[1].replace("`", "").replace(",", "").split()
        assert own[name].choices is None or set(values) >= set(own[name].choices), row


def test_every_ending_is_told():
    told = {ending for row in table(TEXTS[ROOT / "README.md"], "ending") for ending in re.findall(r"`(\.\w+)`", row)}
    assert told == set(options.ENDINGS) - {".usdc", ".usda"}  # two kinds of .usd
