"""Every dashboard in Kibana: its rows of charts, its controls, where a click leads.

In: the names of the catalogue's charts. Out: ``DASHBOARDS``. Change one, then run ``make kibana``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

#: Kibana's grid is so many columns wide.
COLUMNS: Final = 48


class Row(NamedTuple):
    """``charts`` is "name width name width …"; the widths add up to ``COLUMNS``."""

    height: int
    charts: str

    def panels(self) -> list[tuple[str, int]]:
        words = self.charts.split()
        return [(name, int(width)) for name, width in zip(words[::2], words[1::2], strict=True)]


class Layout(NamedTuple):
    """A dashboard.

    ``drilldowns``: chart → the dashboard that a click in it opens, filtered by the click.
    ``controls``: (index, field, title) of lists to choose from.
    """

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    drilldowns: dict[str, str]
    controls: tuple[tuple[str, str, str], ...] = ()


#: The end of the recording that the replay makes the present, in hours.
HOURS: Final = 26
REFRESH_SECONDS: Final = 10

DASHBOARDS: Final = (
    Layout(
        "stage-1",
        "Stage 1 · See it",
        "Plays as they come out of the log. Click a listener to see only theirs.",
        (
            Row(8, "raw-total 16 raw-device 16 raw-listeners 16"),
            Row(11, "raw-over-time 24 raw-by-device 24"),
            Row(13, "raw-top-tracks 24 raw-top-zips 24"),
            Row(15, "raw-log 48"),
        ),
        {"raw-listeners": "listener"},
    ),
    Layout(
        "stage-2",
        "Stage 2 · Process it",
        "Plays with their listeners and tracks, counts per minute, interests as they form."
        " Click a state to see its listeners.",
        (
            Row(10, "total 12 gender 12 device 12 level 12"),
            Row(12, "hours 24 hours-by-device 24"),
            Row(13, "gender-and-age 16 age-per-device 16 ages 16"),
            Row(12, "trend-by-age 24 trend-by-artist 24"),
            Row(11, "per-minute 24 per-minute-by-device 24"),
            Row(18, "state-map 30 states 18"),
            Row(16, "place-map 30 top-artists 18"),
            Row(14, "top-tracks 48"),
            Row(12, "interest-total 12 interest-trend 18 interest-who 18"),
            Row(14, "interest-tracks 48"),
        ),
        {"states": "state", "state-map": "state"},
    ),
    Layout(
        "stage-3",
        "Stage 3 · Act on it",
        "Models and the gate, who gets an offer, what became of the messages.",
        (
            Row(10, "model-gate 12 model-error 18 model-lift 18"),
            Row(12, "model-log 48"),
            Row(11, "target-total 12 target-trend 18 target-scores 18"),
            Row(14, "target-who 16 target-states 16 target-listeners 16"),
            Row(11, "sms-status 12 sms-trend 24 sms-attempts 12"),
            Row(14, "sms-log 48"),
        ),
        {"target-states": "state", "target-listeners": "listener"},
    ),
    Layout(
        "state",
        "Listeners of a state",
        "Choose a state, or come here by a click on one. Click a listener to see only theirs.",
        (
            Row(10, "total 16 gender-and-age 16 level 16"),
            Row(14, "listeners 30 top-artists 18"),
            Row(12, "hours-by-device 24 trend-by-age 24"),
            Row(14, "interest-tracks 30 target-listeners 18"),
        ),
        {"listeners": "listener", "target-listeners": "listener"},
        (("plays", "state", "State"),),
    ),
    Layout(
        "listener",
        "One listener",
        "Plays, interests, offer and message of the listener whom you choose or clicked.",
        (
            Row(9, "total 24 hours-by-device 24"),
            Row(12, "top-tracks 48"),
            Row(12, "play-log 48"),
            Row(10, "interest-log 48"),
            Row(9, "target-log 48"),
            Row(9, "sms-log 48"),
        ),
        {},
        (("plays", "customer_id", "Listener"),),
    ),
)
