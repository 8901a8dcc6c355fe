"""How people listen: in sessions, by day and hour, on a device, at a place, to their taste.

In: people and catalogue. Out: ``Plays``, sorted by customer. Serves ``generate``.

The world has one clock: a listener's local time is written as if it were UTC, so that the
evening is the evening on every chart. It is also a circle: a session that would run over its
end continues at its beginning, so that the last hour is as busy as the same hour of other days.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workshop_lib.world.catalogue import Catalogue, taste_group
from workshop_lib.world.people import People
from workshop_lib.world.plays import SECOND, Plays
from workshop_lib.world.randomness import Floats, Ints, choose, logistic, rng

#: Weight of Monday to Sunday.
WEEKDAY_WEIGHT: Final = np.array([0.90, 0.92, 0.95, 0.98, 1.10, 1.18, 1.04])
#: [working day, weekend][evening, morning, day, late]: hour that a session starts, deviation.
START_HOUR: Final = np.array([[19.4, 7.7, 13.0, 23.3], [20.0, 10.2, 14.8, 24.0]])
START_SPREAD: Final = np.array([[1.15, 0.75, 1.9, 1.1], [1.2, 1.1, 1.5, 1.3]])
ANY_HOUR: Final = 0.03  # share of sessions that start at a random hour
TRACKS_PER_SESSION: Final = 9.0
FAVOURITES: Final = 14
SKIP_CHANCE: Final = 0.22
GROWTH: Final = 0.10  # busier at the end than at the beginning, by so much
#: Resolution of the tables that tracks are drawn from.
_STEPS: Final = 1 << 16


def listen(
    people: People, catalogue: Catalogue, seed: int, plays: int, days: int, until: datetime
) -> Plays:
    """At least ``plays`` plays of ``days`` days before ``until``; whole seconds."""
    draw = rng(seed, "behaviour")
    customer, start, length = _sessions(people, draw, plays, days, until)
    session = np.repeat(np.arange(len(length)), length)
    first = np.cumsum(length) - length
    position = np.arange(len(session)) - first[session]

    track = _tracks(people, catalogue, draw, customer, session, position)
    gap = _gaps(catalogue.length[track], draw)
    since_first = np.cumsum(gap) - gap
    duration = np.add.reduceat(gap, first)
    start = _one_at_a_time(customer, start, duration)
    second = start[session] + since_first - since_first[first][session]

    end = int(until.timestamp())
    world_start = end - days * 86_400
    open_seconds = (people.days_open * 86_400)[customer][session]
    second = world_start + (second - world_start) % open_seconds
    mobile = _on_mobile(people, draw, customer, start)
    return Plays(
        played_at=second * SECOND,
        customer=customer[session],
        track=track,
        mobile=mobile[session],
        place=_places(people, customer, (start - world_start) / 86_400)[session],
    )


def _sessions(
    people: People, draw: np.random.Generator, plays: int, days: int, until: datetime
) -> tuple[Ints, Ints, Ints]:
    """customer, start (seconds since 1970) and number of tracks of each session.

    Sorted by customer and start; together at least ``plays`` tracks.
    """
    size = int(plays / TRACKS_PER_SESSION * 1.02) + 200  # the sum's deviation is far less
    length = np.minimum(draw.geometric(1 / TRACKS_PER_SESSION, size), 60)
    while length.sum() < plays:
        length = np.concatenate([length, draw.geometric(1 / TRACKS_PER_SESSION, 200)])
    length = length[: np.searchsorted(np.cumsum(length), plays) + 1]
    size = len(length)
    customer = choose(draw, people.activity, size)

    end = int(until.timestamp())
    midnight = end - end % 86_400
    # The calendar days that the world touches; 1970 began on a Thursday.
    day = midnight // 86_400 - np.arange(days)
    weekday = (day + 3) % 7
    weight = WEEKDAY_WEIGHT[weekday] * (1 + GROWTH * np.linspace(1, 0, days))
    chosen = choose(draw, weight, size)
    free = (weekday[chosen] >= 5).astype(np.int64)
    part = _part_of_day(people, draw, customer)
    hour = draw.normal(START_HOUR[free, part], START_SPREAD[free, part])
    # Shift workers and people who cannot sleep.
    hour = np.where(draw.random(size) < ANY_HOUR, draw.uniform(0, 24, size), hour) % 24
    start = day[chosen] * 86_400 + (hour * 3600).astype(np.int64)
    # Sessions after the end move to the beginning; those of a closed account to when it was open.
    world_start = end - days * 86_400
    start = world_start + (start - world_start) % (people.days_open[customer] * 86_400)
    order = np.argsort((customer << 40) + start, kind="stable")
    return customer[order], start[order], length[order]


def _part_of_day(people: People, draw: np.random.Generator, customer: Ints) -> Ints:
    """0 evening, 1 morning, 2 day, 3 late. The older, the earlier."""
    age = people.age[customer]
    late = logistic((30 - age) / 9) * 0.45 + 0.05
    morning = logistic((age - 45) / 12) * 0.4 + 0.15
    rest = (1 - people.evening)[customer]
    edges = np.cumsum(
        np.stack([1 - rest, rest * morning, rest * (1 - morning - late)]),
        axis=0,
    )
    return (draw.random(len(customer)) >= edges).sum(axis=0)


def _tracks(
    people: People,
    catalogue: Catalogue,
    draw: np.random.Generator,
    customer: Ints,
    session: Ints,
    position: Ints,
) -> Ints:
    """The track of each play: a popular one, a favourite, or the last again."""
    edges = np.cumsum(catalogue.liking, axis=1)
    steps = (np.arange(_STEPS) + 0.5) / _STEPS
    charts = np.stack([np.searchsorted(row, steps * row[-1]) for row in edges]).astype(np.int32)
    group = taste_group(people)
    favourite = charts[group[:, None], draw.integers(0, _STEPS, (len(people), FAVOURITES))]

    who = customer[session]
    track = charts[group[customer][session], draw.integers(0, _STEPS, len(session))]
    # Favourites are played like a list, from where the listener happens to start.
    begin = draw.integers(0, FAVOURITES, len(customer))
    liked = favourite[who, (begin[session] + position) % FAVOURITES]
    track = np.where(draw.random(len(who)) < people.repeats[who], liked, track)
    again = (draw.random(len(who)) < people.loops[who]) & (position > 0)
    source = np.maximum.accumulate(np.where(again, 0, np.arange(len(who))))
    return track[source].astype(np.int64)


def _gaps(length: Ints, draw: np.random.Generator) -> Ints:
    """Seconds from the start of a track to the start of the next: its length, or a skip."""
    skipped = draw.random(len(length)) < SKIP_CHANCE
    heard = np.where(skipped, length * draw.uniform(0.05, 0.6, len(length)), length)
    return heard.astype(np.int64) + draw.integers(1, 6, len(length))


def _one_at_a_time(customer: Ints, start: Ints, duration: Ints) -> Ints:
    """Starts moved so that no session begins before its listener's last one has ended.

    start'ᵢ = maxⱼ≤ᵢ (startⱼ + durationⱼ + … + durationᵢ₋₁), as a running maximum.
    """
    before = np.cumsum(duration) - duration
    apart = customer << 40  # more than all seconds: a maximum never reaches the next customer
    return np.maximum.accumulate(apart + start - before) - apart + before


def _on_mobile(
    people: People, draw: np.random.Generator, customer: Ints, start: Ints
) -> NDArray[np.bool_]:
    """Whether a session is on a mobile: the listener's habit, more on the way to work and back."""
    habit = people.mobile[customer]
    hour = start % 86_400 / 3600
    working_day = (start // 86_400 + 3) % 7 < 5
    commute = np.exp(-((hour - 7.8) ** 2) / 1.2) + 0.6 * np.exp(-((hour - 17.6) ** 2) / 1.0)
    at_home = np.exp(-((hour - 21) ** 2) / 6)
    score = np.log(habit / (1 - habit)) + 1.8 * commute * working_day - 0.7 * at_home
    return draw.random(len(customer)) < logistic(score)


def _places(people: People, customer: Ints, day: Floats) -> Ints:
    """Index into ``zip_list``: home, or where the listener travels on that day of the world."""
    away = (people.trip_from[customer] <= day) & (day < people.trip_to[customer])
    return customer + len(people) * away
