"""What other languages need of the schema, as files: ``files()`` has path → text.

- ``docker/elasticsearch/<index>.json``: index templates, for who sets up a cluster by hand
- ``docker/logstash/pipeline/play.conf`` and ``play.json``: Logstash's filter and its rules
- ``web/server/contract.json``: names and labels for the live page's server

``python -m workshop_lib.schema`` (``make generate``) writes them; a test fails on a difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from workshop_lib.schema import labels, names, play, tables

PROJECT: Final = Path(__file__).resolve().parents[2]
ELASTICSEARCH: Final = PROJECT / "docker" / "elasticsearch"
LOGSTASH: Final = PROJECT / "docker" / "logstash" / "pipeline"
WEB: Final = PROJECT / "web" / "server"

#: A kind of field as Logstash's filter ``mutate`` calls it; the others stay text or are dates.
_LOGSTASH_TYPES: Final = {"long": "integer", "integer": "integer", "boolean": "boolean"}

_PLAY_CONF: Final = """\
# A line of the log becomes a play, or a dead letter with its reason.
# Made by `make generate` from workshop_lib/schema; do not edit.
filter {
  ruby {
    path => "/usr/share/logstash/pipeline/play_line.rb"
    script_params => { "rules" => "/usr/share/logstash/pipeline/play.json" }
  }
  if ![@metadata][reason] {
    csv {
      columns => [COLUMNS]
    }
    # The moment of the play, not of its arrival.
DATES
    mutate {
      convert => {
CONVERT
      }
    }
    # Nothing but the play: the index takes no other field.
    prune {
      whitelist_names => [
        KEPT
      ]
    }
  }
}
"""
_DATE: Final = """\
    date {
      match => ["NAME", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm:ss.SSS"]
      timezone => "UTC"
      target => "NAME"
    }"""


def files() -> dict[Path, str]:
    """Every generated file, and what it must hold."""
    templates = {
        ELASTICSEARCH / f"{index}.json": _json(tables.template(index)) for index in tables.INDICES
    }
    return templates | {
        LOGSTASH / "play.conf": play_conf(),
        LOGSTASH / "play.json": _json(logstash_rules()),
        WEB / "contract.json": _json(web_contract()),
    }


def write() -> list[Path]:
    """Write the files that differ; which they were."""
    changed = [path for path, text in files().items() if not _holds(path, text)]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files()[path], encoding="utf-8")
    return changed


def play_conf() -> str:
    """Logstash's filter: the play's columns, their types, and nothing else."""
    kinds = {name: _LOGSTASH_TYPES.get(kind) for name, kind in play.PLAY.items()}
    parts = {
        "COLUMNS": ", ".join(f'"{name}"' for name in kinds),
        "DATES": "\n".join(
            _DATE.replace("NAME", name) for name, kind in play.PLAY.items() if kind == "timestamp"
        ),
        "CONVERT": "\n".join(
            f'        "{name}" => "{kind}"' for name, kind in kinds.items() if kind
        ),
        "KEPT": ", ".join(f'"^{name}$"' for name in kinds),
    }
    text = _PLAY_CONF
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def logstash_rules() -> dict[str, Any]:
    """What ``play_line.rb`` checks a line by: the limits and patterns of ``schema.play``."""
    return {
        "max_line_bytes": play.MAX_LINE_BYTES,
        "max_int": play.MAX_INT,
        "max_long": play.MAX_LONG,
        "future_tolerance_seconds": play.FUTURE_TOLERANCE_SECONDS,
        "control_character": play.CONTROL_CHARACTER,
        "quoted": play.QUOTED,
        "patterns": play.PATTERNS,
    }


def web_contract() -> dict[str, Any]:
    """Names and labels that ``web/server`` reads and writes by."""
    return {
        "indices": {_camel(index): index for index in tables.INDICES},
        "redis": {
            "live": names.LIVE_PREFIX,
            "allPlays": f"{tables.ALL}:{tables.ALL}",  # a field of such a hash
            "streamsProgress": names.STREAMS_PROGRESS,
            "deadLetterCount": names.DEAD_LETTER_COUNT,
            "smsOutbox": names.SMS_OUTBOX,
            "smsGroup": names.SMS_GROUP,
            "smsDead": names.SMS_DEAD,
        },
        "labels": {
            "device": [*sorted(labels.DEVICE.values()), labels.UNKNOWN],
            "gender": [*sorted(labels.GENDER.values()), labels.UNKNOWN],
            "level": [*labels.LEVEL.values(), labels.UNKNOWN],
            "ageBand": [*labels.AGE_LABELS, labels.UNKNOWN],
            "unknown": labels.UNKNOWN,
        },
    }


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(each.title() for each in rest)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text
