"""Notebook 07, offers and SMS: starting over, an example target, who may be offered what.

In: Settings. Out: the offers forgotten; a target made up; a row per listener with what the
offer depends on; the outbox to oneself; an SMS server to be killed; a figure (Stage 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import matplotlib.pyplot as plt
import pandas as pd

from workshop_lib.charts.answers import plays_by
from workshop_lib.errors import WorkshopError
from workshop_lib.lessons import figures
from workshop_lib.marketing import optouts, registry
from workshop_lib.marketing.outbox import target_id
from workshop_lib.marketing.sms_server import OUTBOX_LOCK
from workshop_lib.runtime import child
from workshop_lib.runtime.lock import alone
from workshop_lib.schema.names import TARGETS_INDEX
from workshop_lib.schema.world import OFFER_CAMPAIGN
from workshop_lib.settings import Settings
from workshop_lib.verify.actual import documents
from workshop_lib.world.read import load_customers

#: More customers than any world has.
EVERYBODY: Final = 100_000
#: As long as an SMS server may need for a message whose gateway is slow.
TURN_SECONDS: Final = 60.0


def example_target(customer: int, event: int) -> dict[str, Any]:
    """A target as the stream would make it, for a customer and a play that we invent."""
    return {
        "target_id": target_id(customer, event),
        "campaign": OFFER_CAMPAIGN,
        "customer_id": customer,
        "event_id": event,
        "model_version": "by hand",
        "decided_at": "2026-01-31T12:00:00.000Z",
    }


def listeners(settings: Settings) -> pd.DataFrame:
    """A row per customer who played: gold, closed, opted_out, chosen, offered (all booleans).

    ``chosen``: the score of the model in use reaches its threshold; rules are not applied.
    """
    model = registry.current(settings)
    if model is None:
        raise WorkshopError("No model is in use.", "Run `workshop train`.")
    played = plays_by(settings, "customer_id", size=EVERYBODY).index
    table = (
        load_customers(settings.world).set_index("customer_id").reindex(played).dropna(how="all")
    )
    features = pd.read_parquet(model.snapshot).set_index("customer_id")
    offered = {row["customer_id"] for row in documents(settings, TARGETS_INDEX, "customer_id")}
    return pd.DataFrame(
        {
            "gold": table["level"] == 2,
            "closed": table["status"] != 1,
            "opted_out": table.index.isin(optouts.listed(settings)),
            "chosen": features["score"].reindex(table.index) >= model.threshold,
            "offered": table.index.isin(list(offered)),
        }
    )


@contextmanager
def outbox_to_oneself(settings: Settings) -> Iterator[None]:
    """The stack's own SMS server, where one runs, sends nothing until the end of the block.

    A kernel that ends, however it does, ends the block, too. ``WorkshopError`` when another
    notebook is in such a block, or that server does not finish its message.
    """
    with alone(settings, OUTBOX_LOCK, TURN_SECONDS):
        yield


@contextmanager
def sms_server(settings: Settings) -> Iterator[child.Child]:
    """`workshop sms-server` as a process of its own; at the end it is killed, if it still runs."""
    process = child.start(
        settings,
        "sms-server",
        child.WORKSHOP,
        "sms-server",
        environment=child.environment(settings),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def funnel(steps: Mapping[str, int]) -> None:
    """Bars that get shorter from the first step to the last, each with its number."""
    axes = figures.axes(8, 0.5 * len(steps) + 0.8)
    names, numbers = list(steps), [int(n) for n in steps.values()]
    bars = axes.barh(
        names,
        numbers,
        color=[figures.PALE] * (len(steps) - 1) + [figures.ORANGE],
        edgecolor=figures.GREY,
    )
    axes.bar_label(bars, [f"{n:,}" for n in numbers], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set(xlabel="listeners", title="From those who play to those who get an offer")
    plt.show()
