"""Modules that are started by a name in a string are listed, exactly, and exist."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from workshop_lib.settings import PROJECT

LIBRARY = PROJECT / "workshop_lib"
MODULE = re.compile(r"workshop_lib(\.\w+)+\.?")


def strings(source: str) -> Iterator[str]:
    """The string literals of ``source``, without its docstrings."""
    tree = ast.parse(source)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def name_of(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def started(source: str) -> set[str]:
    """The modules that ``source`` starts by name; ``x.*`` when the last part is put in later."""
    found = (text for text in strings(source) if MODULE.fullmatch(text))
    return {f"{text}*" if text.endswith(".") else text for text in found}


def test_the_table_in_pyproject_is_exact() -> None:
    table: dict[str, list[str]] = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        for module in started(path.read_text(encoding="utf-8")):
            table.setdefault(module, []).append(name_of(path))
    listed = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert listed["tool"]["workshop"]["started-by-name"] == table


def test_a_name_in_a_string_is_seen_and_prose_is_not() -> None:
    code = """\"Runs workshop_lib.a.b.\"
start("workshop_lib.x.y")
import_module(f"workshop_lib.z.{n}")
"""
    assert started(code) == {"workshop_lib.x.y", "workshop_lib.z.*"}
    assert not started('print("workshop_lib.schema.play.parse reads a line")')


def test_what_is_started_by_name_exists() -> None:
    listed = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    for module in listed["tool"]["workshop"]["started-by-name"]:
        assert importlib.util.find_spec(module.removesuffix(".*")), module


def test_what_files_outside_the_library_start_exists() -> None:
    """The Dockerfile and the Makefile name modules, too, and no tool checks those."""
    for path in (PROJECT / "Makefile", PROJECT / "docker" / "Dockerfile"):
        text = path.read_text(encoding="utf-8").replace("\\\n", "")
        modules = set(re.findall(r"-m (workshop_lib[\w.]*)", text))
        for module, name in re.findall(r"from (workshop_lib[\w.]*) import (\w+)", text):
            inner = importlib.util.find_spec(f"{module}.{name}") if is_package(module) else None
            if inner is None:
                assert hasattr(importlib.import_module(module), name), (
                    f"{path.name}: {module}.{name}"
                )
        for module in modules:
            assert importlib.util.find_spec(module), f"{path.name}: {module}"


def is_package(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    assert spec, module
    return spec.submodule_search_locations is not None
