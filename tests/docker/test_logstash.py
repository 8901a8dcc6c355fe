"""Logstash's pipelines against the shipper: the same documents, the same lines refused."""

from __future__ import annotations

import base64
import json
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipelines import INSIDE, PIPELINE, options, parsed, run_filters

from workshop_lib.ingest import dead_letters
from workshop_lib.runtime import connections
from workshop_lib.schema.names import (
    DEAD_LETTER_HEADER,
    DEAD_LETTER_HEADERS,
    DEAD_LETTER_TOPIC,
    PLAYS_TOPIC,
)
from workshop_lib.schema.play import PLAY, MalformedPlay, Play, parse, to_document, to_line
from workshop_lib.settings import PROJECT, Settings

LOGSTASH = PROJECT / "docker" / "logstash"
NOW = time.time_ns() // 1_000_000
LINE = b'17,0,1749,"2026-03-01 12:00:00",1,"01234"'

WELL_FORMED = [
    LINE,
    LINE + b"\r",
    b"\xef\xbb\xbf" + LINE,
    b'17,0,1749,2026-03-01 12:00:00,1,"01234"',
    b"17, 0, 1749, 2026-03-01 12:00:00, 1, 01234",
    "17,0,1749,\u00a02026-03-01 12:00:00\u00a0,1,01234".encode(),
    b'17,0,1749,"2026-03-01 12:00:00.5",1,"01234"',
    b'17,0,1749,"2026-03-01 12:00:00.007",1,"01234"',
    b'17,0,1749,"2026-03-01 12:00:00",1,""',
    b'17,0,1749,"2026-03-01 12:00:00",,""',  # the device is unknown
    b'17,0,1749,"2026-03-01 12:00:00",1,',
    b'17,0,1749,"2026-03-01 12:00:00",0,"12345-6789"',
    b'9223372036854775807,2147483647,2147483647,"2024-02-29 23:59:59",1,"01234"',
    b'007,00,01,"1969-12-31 23:59:59.999",0,"00501"',
]
MALFORMED = [
    b"",
    b" \t ",
    b"17,0,1749",
    LINE + b",web",
    LINE.replace(b"17,", b"x17,"),
    LINE.replace(b",0,", b",-1,"),
    LINE.replace(b",0,", b",1.0,"),
    LINE.replace(b",0,", b",3000000000,"),
    LINE.replace(b"17,", b"9999999999999999999,"),
    LINE.replace(b"17,", b"9223372036854775808,"),
    LINE.replace(b"1749", "١٧".encode()),
    LINE.replace(b"2026-03-01", b"2026-02-30"),
    LINE.replace(b"2026-03-01", b"01/03/2026"),
    LINE.replace(b"2026-03-01", b"0000-03-01"),
    LINE.replace(b"12:00:00", b"24:00:00"),
    LINE.replace(b"12:00:00", b"12:00:00Z"),
    LINE.replace(b"2026", b"9999"),
    LINE.replace(b",1,", b",7,"),
    LINE.replace(b"01234", b"K1A 0B1"),
    LINE.replace(b"01234", b"\xff"),
    LINE.replace(b"1749", b"17\x0049"),
    LINE + b"\x00",
    LINE[:-1],
    LINE + b"x",
    b'{"event_id": 17}',
    b"%{[@metadata][reason]}",
    b"1" * 4097,
]


def hostile(seed: int, number: int) -> list[bytes]:
    """Plays of which every second has bytes changed, taken out or put in."""
    draw = random.Random(seed)
    bytes_ = b"\x00\t\r\"',.:-0179 ax\x7f\xc3\xbc\xff"
    lines = []
    for i in range(number):
        play = Play(
            i, i % 50, i % 20, 1_700_000_000_000 + i * 997, i % 3 == 0, f"{i % 100_000:05d}"
        )
        line = bytearray(to_line(play))
        for _ in range(draw.randrange(4) if i % 2 else 0):
            place = draw.randrange(len(line))
            line[place : place + draw.randrange(2)] = draw.choices(bytes_, k=draw.randrange(2))
        lines.append(bytes(line).replace(b"\n", b""))
    return lines


LINES = [*WELL_FORMED, *MALFORMED, *hostile(7, 2000)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What Logstash's filters make of each of ``LINES``."""
    return run_filters(LINES, tmp_path_factory.mktemp("logstash"))


def by_shipper(line: bytes) -> dict[str, object] | MalformedPlay:
    try:
        return to_document(parse(line, NOW + 60_000))
    except MalformedPlay as error:
        return error


@pytest.mark.spark
def test_every_document_is_the_shipper_s_field_by_field(made: list[dict[str, Any]]) -> None:
    want = [by_shipper(line) for line in LINES]
    got = [None if "metadata" in document else document for document in made]
    assert len(got) == len(want)
    for line, ours, theirs in zip(LINES, want, got, strict=True):
        expected = None if isinstance(ours, MalformedPlay) else ours
        assert theirs == expected, line
        if theirs:
            # 1 == True: equality alone would not see a wrong type.
            assert [type(v) for v in theirs.values()] == [type(ours[k]) for k in theirs], line  # type: ignore[index]
    refused = sum(document is None for document in got)
    assert len(MALFORMED) < refused < len(LINES) - 1000, "both kinds occur in numbers"


@pytest.mark.spark
def test_a_refused_line_has_the_shipper_s_reason_and_its_bytes(made: list[dict[str, Any]]) -> None:
    other_words = 0
    for line, document in zip(LINES, made, strict=True):
        error = by_shipper(line)
        if not isinstance(error, MalformedPlay):
            continue
        reason = document["metadata"]["reason"]
        letter = json.loads(document["metadata"]["letter"])
        assert base64.b64decode(letter["base64"]) == line.rstrip(b"\r\n")
        assert letter["reason"] == reason
        if dead_letters.reason_kind(reason) != dead_letters.reason_kind(str(error)):
            # A stray quote: Ruby's CSV gives up where Python's reads on and another rule refuses.
            assert reason.startswith("not CSV") and b'"' in line, (line, reason, str(error))
            other_words += 1
    assert other_words < len(LINES) / 20


@pytest.mark.spark
def test_the_dead_letters_are_those_that_dlq_show_reads(
    made: list[dict[str, Any]], settings: Settings
) -> None:
    written = [d["metadata"] for d in made if "metadata" in d]
    path = dead_letters.path(settings)
    path.parent.mkdir(parents=True)
    path.write_text("".join(each["letter"] + "\n" for each in written))
    read = list(dead_letters.read_file(settings))
    assert {x.reason for x in read} == {each["reason"] for each in written}
    assert {x.text for x in read} == {each["text"] for each in written}
    assert {x.source for x in read} == {"plays.log:0"}


@pytest.mark.stack
@pytest.mark.spark
def test_the_real_index_takes_the_documents(made: list[dict[str, Any]], stack: Settings) -> None:
    client = connections.elasticsearch(stack)
    index = stack.index("plays-raw")
    connections.create_index(stack, client, "plays-raw")
    try:
        documents = {str(d["event_id"]): d for d in made if "metadata" not in d}
        assert list(connections.bulk_index(client, index, documents.items())) == []
        client.indices.refresh(index=index)
        assert client.count(index=index)["count"] == len(documents)
        # What is not pruned is refused: the index takes no field but the contract's.
        (refused,) = connections.bulk_index(client, index, [("x", {**documents["17"], "host": ""})])
        assert "strict" in refused.reason
    finally:
        client.indices.delete(index=index)


def test_only_the_contract_s_fields_are_kept() -> None:
    (_, (_condition, (filters,))) = next(e for e in parsed("play.conf") if e[0] == "if")
    table = {name: options(inner) for name, inner in filters}
    fields = list(PLAY)
    assert table["csv"]["columns"] == fields
    assert table["prune"]["whitelist_names"] == [f"^{name}$" for name in fields]
    kinds = {"long": "integer", "integer": "integer", "boolean": "boolean"}
    want = {name: kinds[kind] for name, kind in PLAY.items() if kind in kinds}
    assert table["mutate"]["convert"] == want
    assert table["date"]["target"] == "played_at" and table["date"]["timezone"] == "UTC"


def outputs(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Dead letters first, then plays."""
    (_, (_condition, (dead,))), (_, plays) = parsed(name)
    return [(plugin, options(inner)) for plugin, inner in (*dead, *plays)]


def test_elasticsearch_gets_the_event_id_as_document_id_and_makes_nothing_of_its_own() -> None:
    (dead, file), (plays, elasticsearch) = outputs("to-elasticsearch.conf")
    assert (dead, plays) == ("file", "elasticsearch")
    assert file["path"].endswith("/plays-raw.jsonl")
    assert elasticsearch["index"] == "plays-raw" and elasticsearch["document_id"] == "%{event_id}"
    assert elasticsearch["action"] == "index"
    ours = [elasticsearch[name] for name in ("data_stream", "manage_template", "ilm_enabled")]
    assert ours == [False] * 3
    assert elasticsearch["password"] == "${LOGSTASH_PASSWORD}"


def test_kafka_gets_json_by_customer_and_letters_with_the_headers_of_the_contract() -> None:
    (_, letters), (_, plays) = outputs("to-kafka.conf")
    assert plays["topic_id"] == PLAYS_TOPIC and plays["codec"] == "json"
    assert plays["message_key"] == "%{customer_id}" and plays["acks"] == "all"
    assert letters["topic_id"] == DEAD_LETTER_TOPIC
    prefix = DEAD_LETTER_HEADER
    want = [prefix + name for name in DEAD_LETTER_HEADERS]
    assert list(letters["message_headers"]) == want


def test_each_pipeline_keeps_its_own_place_in_the_log_on_a_volume() -> None:
    places = set()
    for number in (1, 2):
        ((plugin, inner),) = parsed(f"from-log-{number}.conf")
        file = options(inner)
        assert plugin == "file" and file["start_position"] == "beginning"
        places.add(file["sincedb_path"])
    assert len(places) == 2
    compose = yaml.safe_load((PROJECT / "docker" / "compose.yaml").read_text())
    volumes = dict(v.split(":")[:2][::-1] for v in compose["services"]["logstash"]["volumes"])
    assert all(volumes[str(Path(place).parent)] == "logstash" for place in places)


def test_pipelines_yml_names_every_file_that_there_is() -> None:
    named = set()
    for pipeline in yaml.safe_load((LOGSTASH / "pipelines.yml").read_text()):
        names = re.fullmatch(rf"{re.escape(INSIDE)}\{{(.+)\}}\.conf", pipeline["path.config"])
        assert names
        named |= {f"{name}.conf" for name in names[1].split(",")}
    assert named == {path.name for path in PIPELINE.glob("*.conf")}
