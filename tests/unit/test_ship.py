"""The shipper without servers: what is counted, what is delivered again, what waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError
from kafka import errors

from workshop_lib.errors import WorkshopError
from workshop_lib.ingest import dead_letters, dlq_replay
from workshop_lib.ingest import ship as module
from workshop_lib.ingest.dead_letters import DeadLetter, reason_kind
from workshop_lib.ingest.ship import ShipReport, parse_lines, read_ship_state, ship
from workshop_lib.ingest.sinks import kafka
from workshop_lib.ingest.sinks.sink import RejectedPlay, Unavailable
from workshop_lib.ingest.tail import LONGEST_LINE, Line
from workshop_lib.runtime import state_file
from workshop_lib.runtime.progress import messages_to
from workshop_lib.schema.play import Play, to_line
from workshop_lib.settings import Settings

BEGIN = 1_700_000_000_000


class FakeSink:
    """Keeps what it is given; ``before`` may raise or refuse first."""

    def __init__(self) -> None:
        self.plays: list[Play] = []
        self.letters: list[DeadLetter] = []
        self.before: Callable[[Sequence[Play]], list[RejectedPlay]] = lambda plays: []

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        refused = self.before(plays)
        places = {place for place, _ in refused}
        self.plays += [play for place, play in enumerate(plays) if place not in places]
        return refused

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters

    def close(self) -> None:
        pass


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With addresses at which nobody is asked: the sinks here are made up."""
    nobody = "127.0.0.1:1"
    return settings.model_copy(
        update={
            "kafka_bootstrap": nobody,
            "elasticsearch_url": f"http://{nobody}",
            "redis_url": f"redis://{nobody}/0",
        }
    )


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> FakeSink:
    sink = FakeSink()
    monkeypatch.setitem(module.SINKS, "kafka", lambda settings: sink)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0)
    return sink


def write(settings: Settings, first: int, end: int, mode: str = "ab") -> None:
    """Lines of events ``[first, end)``; each tenth is malformed."""
    settings.live_log.parent.mkdir(parents=True, exist_ok=True)
    with settings.live_log.open(mode) as log:
        for i in range(first, end):
            line = to_line(Play(i, i, i, BEGIN + i, True, "01234"))
            log.write((b"bad %d" % i if i % 10 == 9 else line) + b"\n")


def ids(sink: FakeSink) -> list[int]:
    return [play.event_id for play in sink.plays]


def good(first: int, end: int) -> list[int]:
    return [i for i in range(first, end) if i % 10 != 9]


def test_every_line_is_accepted_or_rejected(settings: Settings, sink: FakeSink) -> None:
    write(settings, 0, 100)
    report = ship(settings, "kafka", once=True)
    assert (report.lines, report.accepted, report.rejected) == (100, 90, 10)
    assert report.reasons == {"1 columns instead of 6": 10}
    assert report.bytes == settings.live_log.stat().st_size == report.position.offset
    assert ids(sink) == good(0, 100)
    assert sink.letters[3].value == b"bad 39"
    assert (sink.letters[3].topic, sink.letters[3].partition) == ("plays.log", 0)
    data = settings.live_log.read_bytes()
    assert [data[x.offset :].split(b"\n")[0] for x in sink.letters] == [
        x.value for x in sink.letters
    ]


def test_it_goes_on_where_it_stopped_and_counts_on(settings: Settings, sink: FakeSink) -> None:
    assert read_ship_state(settings, "kafka") is None
    write(settings, 0, 50)
    assert ship(settings, "kafka", once=True).lines == 50
    assert ship(settings, "kafka", once=True).lines == 0
    write(settings, 50, 80)
    assert ship(settings, "kafka", once=True).lines == 30
    total = read_ship_state(settings, "kafka")
    assert total
    assert (total.lines, total.accepted, total.rejected) == (80, 72, 8)
    assert ids(sink) == good(0, 80)


def test_a_server_that_is_away_is_waited_for(
    settings: Settings, sink: FakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    write(settings, 0, 20)
    failures = iter([True, True, False])

    def away(plays: Sequence[Play]) -> list[RejectedPlay]:
        if next(failures):
            raise Unavailable("Kafka at nowhere does not answer")
        return []

    sink.before = away
    assert ship(settings, "kafka", once=True).lines == 20
    said = caplog.messages
    assert len(said) == 3 and "trying again" in said[0] and "answers again" in said[2]
    assert ids(sink) == good(0, 20)


def test_stopped_while_the_server_is_away_nothing_counts(
    settings: Settings, sink: FakeSink
) -> None:
    write(settings, 0, 20)
    stop = threading.Event()

    def away(plays: Sequence[Play]) -> list[RejectedPlay]:
        stop.set()
        raise Unavailable("away")

    sink.before = away
    assert ship(settings, "kafka", stop=stop).lines == 0
    assert read_ship_state(settings, "kafka") is None
    sink.before = lambda plays: []
    assert ship(settings, "kafka", once=True).lines == 20


@pytest.mark.parametrize("when", ["before the delivery", "after it", "in the save"])
def test_killed_around_a_delivery_nothing_is_lost_and_all_is_counted_once(
    settings: Settings, sink: FakeSink, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> Any:
        raise Killed

    write(settings, 0, 30)
    ship(settings, "kafka", once=True)
    write(settings, 30, 70)
    with monkeypatch.context() as patch:
        if when == "before the delivery":
            patch.setattr(sink, "deliver", die)
        elif when == "after it":
            patch.setattr(sink, "send_to_dead_letter", die)
        else:
            patch.setattr(state_file, "save", die)
        with pytest.raises(Killed):
            ship(settings, "kafka", once=True)
    ship(settings, "kafka", once=True)
    total = read_ship_state(settings, "kafka")
    assert total
    assert (total.lines, total.accepted, total.rejected) == (70, 63, 7)
    assert sorted(set(ids(sink))) == good(0, 70)
    twice = len(ids(sink)) - 63
    assert twice == (0 if when == "before the delivery" else 36)


def test_what_the_target_refuses_is_a_dead_letter(settings: Settings, sink: FakeSink) -> None:
    write(settings, 0, 9)
    sink.before = lambda plays: [RejectedPlay(4, "mapper_parsing_exception: no")]
    report = ship(settings, "kafka", once=True)
    assert (report.accepted, report.rejected) == (8, 1)
    (letter,) = sink.letters
    assert (letter.stage, letter.reason) == ("index", "mapper_parsing_exception: no")
    assert letter.value == to_line(Play(4, 4, 4, BEGIN + 4, True, "01234"))


def test_letters_of_another_generation_of_the_log_are_told_apart(
    settings: Settings, sink: FakeSink
) -> None:
    write(settings, 9, 10)
    ship(settings, "kafka", once=True)
    settings.live_log.rename(settings.live_log.with_name("plays.log.1"))
    write(settings, 19, 20)
    ship(settings, "kafka", once=True)
    assert [x.id.split(":")[:3] for x in sink.letters] == [
        ["plays.log", "0", "0"],
        ["plays.log", "1", "0"],
    ]


def test_a_line_too_long_to_keep_says_how_long_it_was() -> None:
    line = Line(b"x" * LONGEST_LINE, 0, 0, LONGEST_LINE + 100)
    ((letter),) = parse_lines([line], "plays.log", BEGIN).letters
    assert letter.reason.startswith(f"line of {LONGEST_LINE + 100} bytes; only its first")


def test_an_unknown_target(settings: Settings) -> None:
    with pytest.raises(WorkshopError, match="Choose one of: elasticsearch, kafka"):
        ship(settings, "nowhere")


# Dead letters -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "want"),
    [
        ("empty line", "empty line"),
        ("not UTF-8 at byte 35", "not UTF-8"),
        ("control character '\\x00' at column 7", "control character …"),
        ("line of 9000 bytes; the most is 4096", "line of N bytes; the most is N"),
        ("customer_id is wrong: 'x: y'", "customer_id is wrong"),
        ("played_at is no date: '2026-02-30' (day is out of range)", "played_at is no date"),
        ("5 columns instead of 6", "5 columns instead of 6"),
    ],
)
def test_reasons_of_a_kind_are_counted_together(reason: str, want: str) -> None:
    assert reason_kind(reason) == want


def letter(offset: int, value: bytes) -> DeadLetter:
    return DeadLetter("plays.log", 0, offset, "ship", "MalformedPlay", "no", value)


def test_the_file_keeps_any_bytes_and_leaves_half_a_record(settings: Settings) -> None:
    values = [b"", b"\x00\xff\xfe\n\r", "ü\u2028".encode(), bytes(range(256))]
    written = [letter(i, value) for i, value in enumerate(values)]
    assert list(dead_letters.read_file(settings)) == []
    dead_letters.append_to_file(settings, written)
    with dead_letters.path(settings).open("ab") as file:
        file.write(b'{"source": "plays')
    assert list(dead_letters.read_file(settings)) == written


def test_letters_of_a_crashed_shipper_are_taken_back(settings: Settings) -> None:
    size = dead_letters.append_to_file(settings, [letter(0, b"a")])
    dead_letters.append_to_file(settings, [letter(1, b"b")])
    dead_letters.truncate_file(settings, size)
    assert [x.value for x in dead_letters.read_file(settings)] == [b"a"]


def test_a_report_adds_and_subtracts() -> None:
    lines = [Line(b"x", 0, 0, 2), Line(b"", 0, 2, 1)]
    one = ShipReport().plus(lines, [letter(2, b"")])
    two = one.plus(lines, [])
    assert (two.lines, two.accepted, two.rejected, two.bytes) == (4, 3, 1, 6)
    since = two.since(one)
    assert (since.lines, since.accepted, since.rejected, since.reasons) == (2, 2, 0, {})


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> FakeSink:
    """Letters of the file only; what is sent again lands in the fake."""
    sink = FakeSink()
    monkeypatch.setitem(dlq_replay.SINKS, "elasticsearch", lambda settings: sink)
    monkeypatch.setattr(dead_letters, "read_topic", lambda settings: iter(()))
    return sink


GOOD = to_line(Play(1, 2, 3, BEGIN, True, "01234"))


def test_letters_go_on_once_when_they_pass_and_stay_when_not(
    settings: Settings, both: FakeSink
) -> None:
    dead_letters.append_to_file(settings, [letter(0, GOOD), letter(9, b"bad")])
    first = dlq_replay.replay_dead_letters(settings)
    assert (first.replayed, first.before, dict(first.left)) == (1, 0, {"1 columns instead of 6": 1})
    second = dlq_replay.replay_dead_letters(settings)
    assert (second.replayed, second.before, second.left.total()) == (0, 1, 1)
    assert ids(both) == [1]


def test_a_corrected_letter_goes_on_and_the_others_are_left_alone(
    settings: Settings, both: FakeSink
) -> None:
    dead_letters.append_to_file(settings, [letter(0, b"bad"), letter(9, b"worse"), letter(5, GOOD)])
    records = [held.record() for held in dlq_replay.stored_letters(settings)]
    outcome = dlq_replay.replay_dead_letters(settings, {records[0]["id"]: GOOD.decode()})
    assert (outcome.replayed, outcome.left.total()) == (1, 0)
    assert [held.replayed for held in dlq_replay.stored_letters(settings)] == [True, False, False]
    with pytest.raises(WorkshopError, match="No dead letter has the id nowhere"):
        dlq_replay.replay_dead_letters(settings, {"nowhere": ""})


def test_what_the_index_refuses_again_stays(settings: Settings, both: FakeSink) -> None:
    other = GOOD.replace(b"1,2,3", b"4,5,6")
    dead_letters.append_to_file(settings, [letter(0, GOOD), letter(9, other)])
    both.before = lambda plays: [RejectedPlay(0, "mapper_parsing_exception: no")]
    outcome = dlq_replay.replay_dead_letters(settings)
    assert (outcome.replayed, dict(outcome.left)) == (1, {"mapper_parsing_exception": 1})
    assert ids(both) == [4]
    assert [held.replayed for held in dlq_replay.stored_letters(settings)] == [False, True]


def test_half_a_mark_of_a_crash_is_passed_over(settings: Settings, both: FakeSink) -> None:
    dead_letters.append_to_file(settings, [letter(0, GOOD)])
    dlq_replay.replay_dead_letters(settings)
    marks = settings.home / "dead-letters" / "replayed.jsonl"
    marks.write_bytes(marks.read_bytes()[:-9])
    assert dlq_replay.replay_dead_letters(settings).replayed == 1
    assert dlq_replay.replay_dead_letters(settings).before == 1
    assert ids(both) == [1, 1]  # the same id: the same document


class DeadBroker:
    """A producer whose broker died: what is sent is never acknowledged."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.waiting: list[Any] = []

    def produce(self, *record: Any, on_delivery: Any, **more: Any) -> None:
        self.waiting.append(on_delivery)

    def flush(self, timeout: float) -> int:
        while self.waiting:
            self.waiting.pop()(KafkaError(KafkaError._MSG_TIMED_OUT), None)
        return 0

    def purge(self, blocking: bool) -> None:
        assert not blocking


def test_kafka_that_died_under_a_shipper_is_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[DeadBroker] = []

    def connect(options: dict[str, Any]) -> DeadBroker:
        connected.append(DeadBroker(options))
        return connected[-1]

    monkeypatch.setattr(kafka, "Producer", connect)
    monkeypatch.setattr(kafka, "create_topics", lambda settings: None)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    write(settings, 0, 5)
    stop = threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            stop.set()

    with messages_to(say):
        assert ship(settings, "kafka", stop=stop).lines == 0
    assert all("does not answer (Local: Message timed out)" in text for text in said)
    assert len(connected) == 3  # each try connects again


def test_what_librdkafka_cannot_be_configured_with_is_not_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "options", lambda settings: {"no.such.option": "1"})
    write(settings, 0, 5)
    with pytest.raises(errors.KafkaConfigurationError, match=r"no\.such\.option"):
        ship(settings, "kafka", once=True)
