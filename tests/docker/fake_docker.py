"""A ``docker`` for a machine without one: answers as the real client, and notes its calls.

Its case is a JSON file named by FAKE_DOCKER: what ``info``, ``compose version`` and ``ps`` say.
Each call is appended to the file's neighbour ``calls.jsonl``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

case_file = Path(os.environ["FAKE_DOCKER"])
case = json.loads(case_file.read_text())
words = sys.argv[1:]
with case_file.with_name("calls.jsonl").open("a") as calls:
    calls.write(json.dumps(words) + "\n")


def end(out: str = "", error: str = "", code: int = 0) -> None:
    sys.stdout.write(out)
    sys.stderr.write(error)
    sys.exit(code)


if words[0] == "info":
    end(**case["info"])
if words[:2] == ["compose", "version"]:
    end(**case["version"])
rest = words[1:]
profiles, env_file = [], ""
while rest[0].startswith("--"):
    option, argument, *rest = rest
    if option == "--profile":
        profiles.append(argument)
    if option == "--env-file":
        env_file = argument
if case.get(rest[0]):
    end(**case[rest[0]])
if rest[0] == "config":
    from composed import services

    pairs = (line.split("=", 1) for line in Path(env_file).read_text().splitlines()[1:])
    variables = {name: value.strip("'") for name, value in pairs}
    try:
        end(json.dumps({"services": services(profiles, variables)}))
    except KeyError as missing:
        end(error=f"required variable {missing} is missing a value\n", code=1)
