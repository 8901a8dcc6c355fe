"""Logstash's configuration, parsed, and what its filters make of lines of a log.

The filters run in JRuby, which is the Ruby of Logstash, with Ruby's CSV and Joda-Time, which
are what Logstash's filters of those names call; see ``logstash_filters.rb``.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pyspark
import pytest

from workshop_lib.runtime import artifacts, java
from workshop_lib.settings import PROJECT

PIPELINE = PROJECT / "docker" / "logstash" / "pipeline"
INSIDE = "/usr/share/logstash/pipeline/"
HERE = Path(__file__).parent
JRUBY = "jruby-complete-9.4.12.0.jar"
SHA256 = "afb903dc9d38843fed4961cdb63489a78d1b1783f5766acb5bc89f5fc720ed21"

IVY = """<ivy-module version="2.0"><info organisation="workshop" module="tests"/>
<configurations><conf name="jruby"/></configurations><dependencies>
<dependency org="org.jruby" name="jruby-complete" rev="9.4.12.0" conf="jruby->default"
 transitive="false"/></dependencies></ivy-module>"""


def parsed(name: str) -> list[Any]:
    """The plugins and conditions of the one section of ``name``, as the parser has them."""
    parser = pytest.importorskip("logstash_pipeline_parser", reason="make setup brings the parser")
    ((_, content),) = parser.Pipeline((PIPELINE / name).read_text()).parse()
    found: list[Any] = content
    return found


def value(parsed: list[Any]) -> Any:
    """A value as the parser has it: a string, a number, a list, a table or a plugin."""
    (only,) = parsed if len(parsed) == 1 else (parsed,)
    if not isinstance(only, list):
        return str(only) if isinstance(only, Path) else only
    if all(isinstance(x, list) and len(x) == 2 and isinstance(x[1], list) for x in only):
        return {name: value(inner) for name, inner in only}
    return list(only)


def options(parsed: list[Any]) -> dict[str, Any]:
    """The options of a plugin."""
    return {name: value(inner) for name, inner in parsed}


def branches(content: list[Any]) -> tuple[list[Any], list[Any]]:
    """The plugins of the two branches of the first ``if``: condition true, and else."""
    found = {each[0]: each for each in content}
    _, (_condition, (plugins,)) = found["if"] if len(found["if"]) == 2 else (None, (None, [[]]))
    return plugins, found["else"][1] if "else" in found else []


def jruby() -> Path:
    """JRuby, fetched once as the servers are, and verified; skips the test without network."""
    folder = artifacts.cache() / "tests"
    jar = folder / JRUBY
    if not jar.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ivy.xml").write_text(IVY)
        (folder / "ivysettings.xml").write_text(artifacts.ivy_settings(""))
        (ivy,) = (Path(pyspark.__path__[0]) / "jars").glob("ivy-*.jar")
        done = subprocess.run(
            [
                *(str(java.find().program), "-cp", str(ivy), "org.apache.ivy.Main"),
                *("-settings", "ivysettings.xml", "-ivy", "ivy.xml", "-cache", "ivy"),
                *("-retrieve", "[artifact]-[revision].[ext]"),
            ],
            cwd=folder,
            capture_output=True,
            check=False,
        )
        if done.returncode or not jar.exists():
            pytest.skip("JRuby is not cached and could not be fetched")
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == SHA256
    return jar


def run_filters(lines: list[bytes], folder: Path) -> list[dict[str, Any]]:
    """What play.conf makes of each line: the document, or ``{"metadata": …}`` of a dead letter."""
    (_, ruby), *rest = parsed("play.conf")
    (then,) = (each for each in rest if each[0] == "if")
    script = options(ruby)
    task = {
        "script": script["path"].replace(INSIDE, f"{PIPELINE}/"),
        "script_params": {
            name: str(given).replace(INSIDE, f"{PIPELINE}/")
            for name, given in script["script_params"].items()
        },
        "filters": [[name, options(inner)] for name, inner in then[1][1][0]],
    }
    (folder / "task.json").write_text(json.dumps(task))
    (joda,) = (Path(pyspark.__path__[0]) / "jars").glob("joda-time-*.jar")
    done = subprocess.run(
        [
            *(str(java.find().program), "-Xmx512m", "-XX:TieredStopAtLevel=1"),
            *("-cp", f"{jruby()}:{joda}", "org.jruby.Main"),
            *(str(HERE / "logstash_filters.rb"), str(folder / "task.json")),
        ],
        input=b"".join(line + b"\n" for line in lines),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
