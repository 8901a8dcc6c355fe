"""The shipper on real servers: no line lost, killed or not, whatever the lines hold."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kafka.partitioner.default import murmur2
from ship_world import environment, held, letters, messages, play, write

from workshop_lib.ingest.replay import read_state, replay
from workshop_lib.ingest.ship import ShipReport, read_ship_state, ship
from workshop_lib.runtime import connections
from workshop_lib.runtime.progress import messages_to
from workshop_lib.runtime.wait import wait_until
from workshop_lib.schema.names import (
    DEAD_LETTER_HEADER,
    DEAD_LETTER_HEADERS,
    DEAD_LETTER_TOPIC,
    PLAYS_TOPIC,
)
from workshop_lib.schema.play import to_document, to_line, when
from workshop_lib.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("nothing_left")]

TARGETS = pytest.mark.parametrize("to", ["kafka", "elasticsearch"])


@TARGETS
def test_every_line_arrives_as_it_was_or_is_a_dead_letter(stack: Settings, to: str) -> None:
    lines = [to_line(play(i)) for i in range(3000)]
    lines[7], lines[1500], lines[2999] = b"bad", b"\xff\x00, worse", lines[5]
    write(stack, lines[:2000])
    first = ship(stack, to, once=True)
    write(stack, lines[2000:])
    second = ship(stack, to, once=True)
    assert (first.lines, second.lines) == (2000, 1000)
    want = {i: to_document(play(i)) for i in range(2999) if i not in (7, 1500)}
    assert held(stack, to) == want
    assert [x.value for x in letters(stack, to)] == [b"bad", b"\xff\x00, worse"]


def test_a_listeners_plays_are_in_the_partition_that_every_other_client_chooses(
    stack: Settings,
) -> None:
    write(stack, [to_line(play(i)) for i in range(300)])
    ship(stack, "kafka", once=True)
    found = messages(stack, PLAYS_TOPIC)
    chosen = [(murmur2(each.key) & 0x7FFFFFFF) % stack.plays_partitions for each in found]
    assert len(set(chosen)) == stack.plays_partitions, "the keys tell nothing apart"
    assert [each.partition for each in found] == chosen


def test_a_dead_letter_in_kafka_has_its_bytes_and_the_headers_of_kafka_connect(
    stack: Settings,
) -> None:
    write(stack, [to_line(play(1)), b"bad \xff", b'5,6,7,"2099-01-01 00:00:00",1,"01234"'])
    ship(stack, "kafka", once=True)
    one, other = messages(stack, DEAD_LETTER_TOPIC)
    assert (one.key, one.value) == (None, b"bad \xff")
    offset = str(len(to_line(play(1))) + 1).encode()
    names = [DEAD_LETTER_HEADER + name for name in DEAD_LETTER_HEADERS]
    values = [b"plays.log", b"0", offset, b"ship", b"MalformedPlay", b"not UTF-8 at byte 4"]
    assert one.headers == list(zip(names, values, strict=True))
    assert dict(other.headers)[DEAD_LETTER_HEADER + "exception.message"] == (
        b"played_at is in the future: 2099-01-01 00:00:00"
    )


def test_what_elasticsearch_refuses_is_a_dead_letter_and_the_rest_arrives(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "check_mapping", lambda *_: None)  # changed after the start
    client = connections.elasticsearch(stack)
    client.indices.create(
        index=stack.index("plays-raw"),
        mappings={"properties": {"event_id": {"type": "long"}, "zip": {"type": "integer"}}},
        settings={"number_of_replicas": 0},
    )
    lines = [to_line(play(i)._replace(zip="1-2" if i == 4 else "12")) for i in range(9)]
    write(stack, lines)
    report = ship(stack, "elasticsearch", once=True)
    assert (report.accepted, report.rejected) == (8, 1)
    (letter,) = letters(stack, "elasticsearch")
    assert (letter.value, letter.stage) == (lines[4], "index")
    assert "1-2" in letter.reason
    assert sorted(held(stack, "elasticsearch")) == [0, 1, 2, 3, 5, 6, 7, 8]


@TARGETS
def test_a_server_that_is_not_there_is_waited_for(stack: Settings, to: str) -> None:
    field = "kafka_bootstrap" if to == "kafka" else "elasticsearch_url"
    nowhere = {"kafka_bootstrap": "127.0.0.1:1", "elasticsearch_url": "http://127.0.0.1:1"}
    away = stack.model_copy(update={field: nowhere[field]})
    write(stack, [to_line(play(i)) for i in range(10)])
    stop = threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        stop.set()

    with messages_to(say):
        assert ship(away, to, stop=stop).lines == 0
    assert "does not answer" in said[0]
    assert ship(stack, to, once=True).lines == 10
    assert len(held(stack, to)) == 10


# Killed -----------------------------------------------------------------------------------


def start(settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workshop_lib.cli", *arguments],
        env=environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def shipped(settings: Settings, to: str) -> int:
    return (read_ship_state(settings, to) or ShipReport()).lines


@TARGETS
def test_killed_in_mid_flight_and_started_again_every_line_arrives(
    stack: Settings, to: str
) -> None:
    count = 60_000
    lines = [b"bad %d" % i if i % 1000 == 500 else to_line(play(i)) for i in range(count)]
    write(stack, lines)
    killed_at = []
    for _ in range(2):
        before = shipped(stack, to)
        process = start(stack, "ship", "--to", to)
        try:
            wait_until(lambda b=before: shipped(stack, to) > b, 60, "the shipper", 0.01)  # type: ignore[misc]
        finally:
            process.kill()
            process.wait()
        killed_at.append(shipped(stack, to))
    # Negative control: it was killed with work left, and not all had arrived.
    assert 0 < killed_at[0] < count
    process = start(stack, "ship", "--to", to)
    try:
        wait_until(lambda: shipped(stack, to) == count, 120, "all lines")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    state = read_ship_state(stack, to)
    assert state
    assert (state.lines, state.accepted, state.rejected) == (count, count - 60, 60)
    assert held(stack, to).keys() == {i for i in range(count) if i % 1000 != 500}
    assert [x.value for x in letters(stack, to)] == [b"bad %d" % i for i in range(500, count, 1000)]


def test_replay_and_shipper_killed_again_and_again_over_rotations(stack: Settings) -> None:
    count = 20_000
    stack.world.mkdir(parents=True)
    (stack.world / "tracks.csv").write_bytes(
        b"".join(to_line(play(i)) + b"\n" for i in range(count))
    )
    draw = random.Random(7)
    running = {"replay": ["replay", "--rate", "4000"], "ship": ["ship", "--to", "kafka"]}
    processes = {name: start(stack, *arguments) for name, arguments in running.items()}
    killed = rotations = 0

    def replayed() -> int:
        state = read_state(stack)
        return state.next_line if state else 0

    try:
        for goal in range(2000, count, 4000):
            wait_until(lambda g=goal: replayed() >= g, 60, "the replay", 0.01)  # type: ignore[misc]
            name = draw.choice(list(running))
            processes[name].kill()
            processes[name].wait()
            killed += 1
            if stack.live_log.exists():
                stack.live_log.rename(stack.live_log.with_name(f"plays.log.{rotations}"))
                rotations += 1
            processes[name] = start(stack, *running[name])
        wait_until(lambda: replayed() == count, 60, "the replay")
        wait_until(lambda: shipped(stack, "kafka") >= count, 60, "the shipper")
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    assert killed == rotations == 5
    state = read_state(stack)
    assert state and state.shift_ms is not None
    want = {
        i: to_document(play(i)._replace(played_at=play(i).played_at + state.shift_ms))
        for i in range(count)
    }
    assert held(stack, "kafka") == want
    assert shipped(stack, "kafka") == count
    assert letters(stack, "kafka") == []


# The commands -----------------------------------------------------------------------------


def run(settings: Settings, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "workshop_lib.cli", *arguments],
        env=environment(settings),
        capture_output=True,
        check=True,
        timeout=120,
        text=True,
    )
    return done.stdout


def test_dead_letters_are_shown_repaired_and_sent_again(stack: Settings, tmp_path: Path) -> None:
    write(stack, [to_line(play(0)), b"1,cust1,1,nonsense", b"\x1b[2J\xff"])
    for to in ("kafka", "elasticsearch"):
        assert json.loads(run(stack, "ship", "--to", to, "--once", "--json"))["rejected"] == 2
    shown = run(stack, "dlq", "show")
    assert "4 dead letters wait" in shown and "4 columns instead of 6" in shown
    assert "\x1b[2J" not in shown

    found = json.loads(run(stack, "dlq", "show", "--json"))
    assert sum(found["counts"].values()) == len(found["letters"]) == 4
    nothing = json.loads(run(stack, "dlq", "replay", "--json"))
    assert (nothing["replayed"], sum(nothing["left"].values())) == (0, 4)

    repaired = [x for x in found["letters"] if "nonsense" in x["text"]]
    assert len(repaired) == 2
    for record in repaired:
        record["text"] = to_line(play(1)).decode()
    edited = tmp_path / "letters.json"
    edited.write_text(json.dumps({"letters": repaired}))
    assert json.loads(run(stack, "dlq", "replay", "--edit", str(edited), "--json"))["replayed"] == 2
    again = json.loads(run(stack, "dlq", "replay", "--edit", str(edited), "--json"))
    assert (again["replayed"], again["replayed_before"]) == (0, 2)
    for to in ("kafka", "elasticsearch"):
        assert held(stack, to) == {i: to_document(play(i)) for i in range(2)}
    assert "2 dead letters wait, 2 were replayed" in run(stack, "dlq", "show")


def test_a_replayed_world_arrives_whole_with_its_dates(stack: Settings) -> None:
    stack.world.mkdir(parents=True)
    (stack.world / "tracks.csv").write_bytes(b"".join(to_line(play(i)) + b"\n" for i in range(500)))
    assert "500 of 500 lines" in run(stack, "replay", "--speed", "100000")
    assert "replayed before" in run(stack, "replay")
    state = replay(stack)
    assert state.shift_ms is not None
    assert json.loads(run(stack, "ship", "--to", "kafka", "--once", "--json"))["accepted"] == 500
    assert {i: x["played_at"] for i, x in held(stack, "kafka").items()} == {
        i: when(play(i).played_at + state.shift_ms, iso=True) for i in range(500)
    }
