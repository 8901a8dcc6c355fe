"""Stage 2, step 4: who played the same track three times within 30 minutes.

In: distinct plays. Out: one row per play that completes three: a hit. Its meaning is exact,
in event time: ``played_at[i] − played_at[i−2] ≤ 30 min`` among a listener's plays of a track.

A window that starts every 30 minutes and lasts 60 holds every span of 30 minutes that starts
in its first half, ends included. So the plays of a window are put in order, compared exactly,
and a hit is taken from that one window in whose first half its span starts. (35 minutes
sliding by 5 is exact as well, with 7 rows per play instead of 2; windows that do not overlap
miss hits at their edges.)
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from workshop_lib.schema.world import INTEREST_MINUTES, INTEREST_PLAYS


def interests(plays: DataFrame) -> DataFrame:
    """Distinct plays → ``customer_id, track_id, event_id, played_at, zip`` of each hit.

    In update mode a window gives its hits with the batch that completes them, long before
    the watermark has passed it, and all of them again with each later play of that track:
    ``event_id`` tells that they are the same.
    """
    window = F.window("played_at", f"{2 * INTEREST_MINUTES} minutes", f"{INTEREST_MINUTES} minutes")
    found = hits(F.array_sort("plays"), F.col("window.start"))
    return (
        plays.groupBy(window, "customer_id", "track_id")
        .agg(F.collect_list(F.struct("played_at", "event_id", "zip")).alias("plays"))
        .where(F.size("plays") >= INTEREST_PLAYS)
        .select("customer_id", "track_id", F.explode(found).alias("hit"))
        .select("customer_id", "track_id", "hit.*")
    )


def hits(plays: Column, start: Column) -> Column:
    """Of a window's plays in order of ``played_at``: those that complete an interest.

    ``start`` is the window's; a span that starts in its second half is the next window's.
    """
    span = F.expr(f"INTERVAL {INTEREST_MINUTES} MINUTES")
    before = INTEREST_PLAYS - 1

    def completes(play: Column, i: Column) -> Column:
        first = F.get(plays, i - before)["played_at"]
        # get() is null below the first element, so the first two plays are never hits
        return (play["played_at"] - span <= first) & (first < start + span)

    return F.filter(plays, completes)
