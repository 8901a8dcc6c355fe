"""What the texts name is there: commands with their options, targets, links, headings, variables.

The texts are README.md, the pages of docs/ and the notebooks' text. A notebook's section is
cited as *03 § Its heading*.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from workshop_lib.cli import app
from workshop_lib.settings import PROJECT, Settings

PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((PROJECT / "docs").rglob("*.md")),
]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("[0-9][0-9]_*.ipynb"))

#: What stands for a value, and a value.
PLACEHOLDERS = {"N": "2", "STAGE": "2", "CUSTOMER_ID": "0", "DIR": "data/sample"}
#: Programs that read variables which are no settings.
READERS = ("workshop_lib/**/*.py", "tests/conftest.py", "docker/compose.yaml", "web/server/*.js")
#: Made while installing or running.
MADE = ("web/node_modules", "docker/.env")
FOLDERS = "benchmarks|data|docker|docs|exercises|notebooks|solutions|tests|web|workshop_lib"


def text_of(path: Path) -> str:
    """A page, or the text cells of a notebook."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def code_of(text: str) -> list[str]:
    """Lines of shell blocks, and code within sentences (which may go over a line's end)."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for kind, body in blocks if kind in ("sh", "") for line in body.splitlines()]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return lines + [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", rest)]


def commands(code: list[str], name: str) -> Iterator[tuple[str, ...]]:
    """The words after ``name`` wherever it is said, up to a comment, a pipe or another command."""
    for line in code:
        for part in re.split(r" #|&&|[|;>&]", line):
            words = part.replace("…", "").split()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words[:1] == [name]:
                yield tuple(shlex.split(" ".join(words[1:])))


@cache
def workshop() -> Any:
    return get_command(app)


@cache
def wrong_command(words: tuple[str, ...]) -> str:
    """Why ``workshop words…`` would be refused; empty if it would not be."""
    command = workshop()
    rest = [PLACEHOLDERS.get(word, word) for word in words]
    while rest and hasattr(command, "commands"):
        if rest[0] == "COMMAND" or rest[0].startswith("-"):
            return ""
        if rest[0] not in command.commands:
            return f"there is no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    if not rest or "--help" in rest:
        return ""  # only its name is said
    try:
        command.make_context(words[0], rest)
    except Exception as error:
        why = str(getattr(error, "message", "") or error)
        # "see --workers" names an option, without a value
        return "" if why.endswith("requires an argument.") else why
    return ""


@cache
def variables() -> set[str]:
    settings = {f"WORKSHOP_{name.upper()}" for name in Settings.model_fields}
    programs = (path for pattern in READERS for path in PROJECT.glob(pattern))
    read = (path.read_text(encoding="utf-8") for path in programs)
    return settings.union(*(re.findall(r"[\"'{.](WORKSHOP_[A-Z_]*[A-Z])\b", text) for text in read))


@cache
def targets() -> set[str]:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


@cache
def headings(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+?)\s*$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    """As the usual viewers make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def wrong_link(target: str, path: Path) -> bool:
    file, _, place = target.partition("#")
    to = (path.parent / file).resolve() if file else path
    if not to.exists():
        return True
    return bool(place) and place not in map(anchor, headings(to))


def complaints(text: str, path: Path) -> list[str]:
    """What ``text``, which stands in ``path``, names and is not there."""
    code = code_of(text)
    found = [
        f"workshop {' '.join(words)}: {why}"
        for words in commands(code, "workshop")
        if (why := wrong_command(words))
    ]
    for words in commands(code, "make"):
        named = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
        found += [f"make {word}: no such target" for word in named if word not in targets()]
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    found += [
        f"link {target}"
        for target in links
        if not re.match(r"[a-z]+:", target) and wrong_link(target, path)
    ]
    for number, heading in re.findall(r"\*(\d\d) § ([^*]+)\*", text):
        notebook = [each for each in NOTEBOOKS if each.name.startswith(number)]
        if not notebook or " ".join(heading.split()) not in headings(notebook[0]):
            found.append(f"section {number} § {heading}")
    found += [
        f"variable {name}"
        for name in sorted(set(re.findall(r"\bWORKSHOP_[A-Z][A-Z_]*[A-Z]\b", text)))
        if name not in variables()
    ]
    found += [
        f"file {name}"
        for name in code
        if re.fullmatch(rf"(?:{FOLDERS})/[\w./-]*", name)
        and not (PROJECT / name).exists()
        and not name.startswith(MADE)
    ]
    return found


def _name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=_name)
def test_what_it_names_is_there(path: Path) -> None:
    assert complaints(text_of(path), path) == []


def test_the_guide_knows_every_notebook_and_its_minutes() -> None:
    guide = text_of(PROJECT / "docs" / "instructor-guide.md")
    told = re.findall(r"^\| \[.*?\]\(\.\./notebooks/(\S+)\) \| (\d+) \|", guide, re.MULTILINE)
    stated = [
        (path.name, *re.findall(r"^\*\*(\d+) minutes\.\*\*", text_of(path), re.MULTILINE))
        for path in NOTEBOOKS
    ]
    assert told == stated


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_its_python_can_be_read(path: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", text_of(path), re.MULTILINE | re.DOTALL):
        compile(block, str(path), "exec")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("`workshop fly`", "workshop fly: there is no command fly"),
        ("`workshop dlq fly`", "workshop dlq fly: there is no command fly"),
        ("say `workshop trace\n0 --fast`", "workshop trace 0 --fast: No such option: --fast"),
        ("```sh\nX=1 workshop replay --speed high  # so\n```", "workshop replay --speed high:"),
        ("`workshop status && workshop ship`, `workshop ship --once`", "workshop ship --once:"),
        ("`workshop optout add`, `workshop optout add me`", "workshop optout add me:"),
        ("`make tea`", "make tea: no such target"),
        ("[so](nowhere.md)", "link nowhere.md"),
        ("[so](README.md#trouble-with-tea)", "link README.md#trouble-with-tea"),
        ("*00 § Tea*", "section 00 § Tea"),
        ("*98 § Start the servers*", "section 98 § Start the servers"),
        ("set `WORKSHOP_TEA`", "variable WORKSHOP_TEA"),
        ("see `workshop_lib/tea.py`", "file workshop_lib/tea.py"),
    ],
)
def test_what_is_not_there_is_found(text: str, complaint: str) -> None:
    found = complaints(text, PROJECT / "README.md")
    assert len(found) == 1
    assert found[0].startswith(complaint)


def test_what_is_there_is_not_complained_of() -> None:
    text = """
`workshop`, `workshop …`, `workshop COMMAND --help`, `workshop trace CUSTOMER_ID`, `make`,
`make demo PYTHON=/usr/bin/python3`, `workshop sms-server --workers`, `WORKSHOP_…`,
`WORKSHOP_HOME`, `WORKSHOP_CACHE`,
[trouble](README.md#trouble), [elsewhere](https://www.example.com/), `workshop_lib/cli.py`,
*00 § Start the servers*

```sh
WORKSHOP_HOME=/tmp/x workshop data generate --until now   # a world
workshop dlq show --json > letters.json
```
"""
    assert complaints(text, PROJECT / "README.md") == []
