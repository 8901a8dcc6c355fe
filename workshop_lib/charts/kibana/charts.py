"""Every chart in Kibana, a row each: title, index, kind, metrics, splits, question.

In: nothing. Out: ``CHARTS``. Change a row, then run ``make kibana``.

``splits`` are buckets, outermost first: the x axis and then the lines of a chart with axes,
the rings of a pie from the inside out, the columns of a table. One is written as

    field                one bucket per label, most first
    field top 10         the ten labels with most
    field by label       in the label's order
    field every 5        ranges of a number; of a time: every s, m, h, d, or auto

A metric is ``count``, or ``sum``, ``average``, ``highest`` or ``unique`` and a field.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from workshop_lib.settings import Settings


class Chart(NamedTuple):
    """``where`` is Kibana's query language; ``charts`` makes a small chart per label."""

    name: str  # never changes: the id in Kibana is workshop-<name>
    stage: int
    title: str
    reads: str  # the index
    kind: str  # of KINDS
    question: str
    splits: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("count",)
    charts: str = ""
    where: str = ""
    limit: float | None = None  # a line across, where the gate is


#: kind → what it is called in Kibana
KINDS: Final = {
    "documents": "Discover session",
    "metric": "Metric",
    "bars": "Vertical bar",
    "rows": "Horizontal bar",
    "line": "Line",
    "pie": "Pie",
    "table": "Data table",
    "state map": "Vega",
    "map": "Maps",
}

#: The time by which an index is filtered. Models have none: one that was trained long ago
#: is in use all the same.
TIME_FIELD: Final = {
    "plays-raw": "played_at",
    "plays": "played_at",
    "plays-per-minute": "minute",
    "interests": "interested_at",
    "targets": "played_at",
    "sms": "updated_at",
    "models": None,
}

RAW: Final = (
    Chart(
        *("raw-log", 1, "Plays as they arrive", "plays-raw", "documents"),
        "What is in one play, and is it coming in at all?",
        ("event_id", "customer_id", "track_id", "is_mobile", "zip"),
    ),
    Chart(
        *("raw-total", 1, "So far", "plays-raw", "metric"),
        "How many plays, by how many listeners, of how many tracks?",
        metrics=("count", "unique customer_id", "unique track_id"),
    ),
    Chart(
        *("raw-over-time", 1, "Plays over time", "plays-raw", "bars"),
        "When do people listen?",
        ("played_at every auto",),
    ),
    Chart(
        *("raw-by-device", 1, "Plays per hour, phone and computer", "plays-raw", "line"),
        "Does the phone have other hours than the computer? (true is mobile)",
        ("played_at every h", "is_mobile by label"),
    ),
    Chart(
        *("raw-device", 1, "Phone or computer", "plays-raw", "pie"),
        "How many plays come from a phone?",
        ("is_mobile by label",),
    ),
    Chart(
        *("raw-top-tracks", 1, "Most played tracks", "plays-raw", "rows"),
        "Which tracks, by number? Their titles come with Stage 2.",
        ("track_id top 10",),
    ),
    Chart(
        *("raw-top-zips", 1, "Most plays by zip", "plays-raw", "rows"),
        "From where? The state comes with Stage 2.",
        ("zip top 10",),
    ),
    Chart(
        *("raw-listeners", 1, "Busiest listeners", "plays-raw", "table"),
        "Who listens most, and to how many tracks? A click leads to the listener.",
        ("customer_id top 20",),
        ("count", "unique track_id"),
    ),
)

PLAYS: Final = (
    Chart(
        *("play-log", 2, "Plays with all that is known", "plays", "documents"),
        "What has the stream added to a play?",
        ("customer_id", "title", "artist", "device", "gender", "age_band", "level", "state"),
    ),
    Chart(
        *("total", 2, "In this time", "plays", "metric"),
        "How many plays, listeners and artists?",
        metrics=("count", "unique customer_id", "unique artist"),
    ),
    Chart(
        *("hours", 2, "Busiest hours", "plays", "bars"),
        "At which hour of the day (UTC) do people listen most?",
        ("hour every 1",),
    ),
    Chart(
        *("hours-by-device", 2, "Busiest hours by device", "plays", "line"),
        "Which hours belong to the phone?",
        ("hour every 1", "device by label"),
    ),
    Chart(
        *("gender", 2, "Gender", "plays", "pie"),
        "Who listens?",
        ("gender",),
    ),
    Chart(
        *("gender-and-age", 2, "Gender, then age", "plays", "pie"),
        "Of which age are the men, of which the women? (split slices)",
        ("gender", "age_band"),
    ),
    Chart(
        *("age-per-device", 2, "Age on each device", "plays", "pie"),
        "Are those on the phone younger? (split charts)",
        ("age_band",),
        charts="device by label",
    ),
    Chart(
        *("ages", 2, "Age and gender", "plays", "bars"),
        "How old are the listeners, in steps of five years?",
        ("age every 5", "gender by label"),
    ),
    Chart(
        *("device", 2, "Device", "plays", "pie"),
        "How many plays come from a phone?",
        ("device by label",),
    ),
    Chart(
        *("level", 2, "Level of membership", "plays", "pie"),
        "How much of the listening is paid for?",
        ("level by label",),
    ),
    Chart(
        *("trend-by-age", 2, "Plays per hour, by age", "plays", "line"),
        "Do the ages keep different hours? (a sub-aggregation: split lines)",
        ("played_at every h", "age_band"),
    ),
    Chart(
        *("trend-by-artist", 2, "Plays per hour, top artists", "plays", "line"),
        "Does somebody rise or fall?",
        ("played_at every h", "artist top 5"),
    ),
    Chart(
        *("per-minute", 2, "Plays per minute, as the stream counts", "plays-per-minute", "line"),
        "How many a minute? Read from a document per minute, not from every play.",
        ("minute every auto",),
        ("sum plays",),
        where="dimension : all",
    ),
    Chart(
        *("per-minute-by-device", 2, "Per minute and device", "plays-per-minute", "line"),
        "The same for each device.",
        ("minute every auto", "value by label"),
        ("sum plays",),
        where="dimension : device",
    ),
    Chart(
        *("state-map", 2, "Regions", "plays", "state map"),
        "From which states do the plays come? A dot per place, a circle per state.",
        ("state",),
    ),
    Chart(
        *("place-map", 2, "Places", "plays", "map"),
        "From which places? Zoom in: the grid becomes finer.",
        ("location",),
    ),
    Chart(
        *("states", 2, "Plays by state", "plays", "rows"),
        "Which states listen most? A click leads to the state's listeners.",
        ("state top 15",),
    ),
    Chart(
        *("top-artists", 2, "Most played artists", "plays", "rows"),
        "Who is played most?",
        ("artist top 10",),
    ),
    Chart(
        *("top-tracks", 2, "Most played tracks", "plays", "table"),
        "What is played most, and by how many?",
        ("track_id top 20", "title top 1", "artist top 1"),
        ("count", "unique customer_id"),
    ),
    Chart(
        *("listeners", 2, "Busiest listeners", "plays", "table"),
        "Who listens most? A click leads to the listener.",
        ("customer_id top 20",),
        ("count", "unique artist", "unique track_id"),
    ),
)

INTERESTS: Final = (
    Chart(
        *("interest-total", 2, "Interests", "interests", "metric"),
        "How many found, of how many listeners?",
        metrics=("count", "unique customer_id"),
    ),
    Chart(
        *("interest-trend", 2, "Interests per hour", "interests", "bars"),
        "When do interests form?",
        ("interested_at every h",),
    ),
    Chart(
        *("interest-tracks", 2, "What people cannot stop playing", "interests", "table"),
        "Which tracks are played three times within 30 minutes?",
        ("title top 10", "artist top 1"),
        ("count", "unique customer_id"),
    ),
    Chart(
        *("interest-who", 2, "Interested: gender, then age", "interests", "pie"),
        "Who are they?",
        ("gender", "age_band"),
    ),
    Chart(
        *("interest-log", 2, "Interests, one by one", "interests", "documents"),
        "Who, what and when?",
        ("customer_id", "title", "artist", "state"),
    ),
)

ACTION: Final = (
    Chart(
        *("model-log", 3, "Models and what the gate said", "models", "documents"),
        "Which model is in use, which were refused, and why?",
        (
            *("version", "trained_at", "accepted", "current", "reasons"),
            *("error", "precision", "recall", "lift", "customers"),
        ),
    ),
    Chart(
        *("model-gate", 3, "Accepted or refused", "models", "pie"),
        "How often does the gate say no?",
        ("accepted by label",),
    ),
    Chart(
        *("model-error", 3, "Error of each model", "models", "bars"),
        "Is the error below the gate's 10 %?",
        ("version by label",),
        ("average error",),
        limit=Settings.model_fields["gate_max_error"].default,
    ),
    Chart(
        *("model-lift", 3, "Lift of each model", "models", "bars"),
        "How many times better than chance? The gate wants 3.",
        ("version by label",),
        ("average lift",),
        limit=Settings.model_fields["gate_min_lift"].default,
    ),
    Chart(
        *("target-total", 3, "Offers", "targets", "metric"),
        "How many offers, to how many listeners?",
        metrics=("count", "unique customer_id"),
    ),
    Chart(
        *("target-trend", 3, "Offers per hour", "targets", "bars"),
        "When are they made, and to which level?",
        ("played_at every h", "level by label"),
    ),
    Chart(
        *("target-who", 3, "Offered to: gender, then age", "targets", "pie"),
        "Whom does the model choose?",
        ("gender", "age_band"),
    ),
    Chart(
        *("target-states", 3, "Offers by state", "targets", "rows"),
        "Where? A click leads to the state's listeners.",
        ("state top 15",),
    ),
    Chart(
        *("target-scores", 3, "Scores of the chosen", "targets", "bars"),
        "How sure was the model? All lie above its threshold.",
        ("score every 0.05",),
    ),
    Chart(
        *("target-listeners", 3, "Who got an offer", "targets", "table"),
        "To whom, with which score? A click leads to the listener.",
        ("customer_id top 20",),
        ("highest score", "count"),
    ),
    Chart(
        *("target-log", 3, "Offers, one by one", "targets", "documents"),
        "What was decided, by which model, for which play?",
        ("customer_id", "campaign", "score", "threshold", "model_version", "event_id"),
    ),
    Chart(
        *("sms-status", 3, "Messages by status", "sms", "pie"),
        "Sent, suppressed, to be tried again, or dead?",
        ("status",),
    ),
    Chart(
        *("sms-trend", 3, "Messages over time", "sms", "bars"),
        "When did they go out?",
        ("updated_at every auto", "status by label"),
    ),
    Chart(
        *("sms-attempts", 3, "Attempts per message", "sms", "bars"),
        "How often did the gateway have to be asked?",
        ("attempts every 1",),
    ),
    Chart(
        *("sms-log", 3, "Messages, one by one", "sms", "documents"),
        "What became of each?",
        ("customer_id", "status", "reason", "attempts", "provider", "text"),
    ),
)

CHARTS: Final = (*RAW, *PLAYS, *INTERESTS, *ACTION)
