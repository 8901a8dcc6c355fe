"""Stage 3 against the ledger: is the model good, are the right listeners targeted, once?

In: Settings of a stack that has come to rest, the ledger's truth about the replayed plays,
and what arrived at the simulated phone, if it was asked. Out: a ``Stage`` of checks.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.names import SMS_INDEX, TARGETS_INDEX
from workshop_lib.settings import Settings
from workshop_lib.verify import actual
from workshop_lib.verify.check import Check, Stage, equal, same_ids
from workshop_lib.verify.expected import Expected, customers

#: Of those targeted, at least so many would take the offer. Less than the gate asks of the
#: model: the ledger says who would have taken it when the ads ran, and listeners have changed
#: since; 0.5 is still more than three times what picking listeners at random would reach.
MIN_PRECISION = 0.5


def stage3(settings: Settings, want: Expected, phone: dict[str, Any] | None = None) -> Stage:
    """Act on it: model, targets, messages. ``phone``: the simulated phone's summary."""
    model = actual.active_model(settings)
    if model is None:
        raise WorkshopError("No model is accepted yet.", "Run `workshop train`.")
    fields = ("customer_id", "event_id", "target_id", "played_at")
    targets = pd.DataFrame(
        actual.documents(settings, TARGETS_INDEX, *fields), columns=["_id", *fields]
    )
    return Stage(
        3,
        "act on it",
        [
            *_model(settings, model),
            *_right_people(settings, want, targets),
            *_once(settings, targets, phone),
        ],
    )


def at_least(name: str, floor: float, value: float) -> Check:
    return Check(name, f"at least {floor:g}", round(value, 3), bool(value >= floor))


def _model(settings: Settings, model: dict[str, Any]) -> list[Check]:
    numbers = model["metrics"]
    return [
        equal("the gate accepted the model", True, model["accepted"]),
        Check(
            "model's error on unseen customers",
            f"at most {settings.gate_max_error:g}",
            round(numbers["error"], 3),
            numbers["error"] <= settings.gate_max_error,
        ),
        at_least("model's lift at the offer's volume", settings.gate_min_lift, numbers["lift"]),
        Check(
            "model beats the best one-rule baseline",
            f"error below {numbers['baseline_error']:.3f}",
            round(numbers["error"], 3),
            numbers["error"] < numbers["baseline_error"],
        ),
    ]


def _right_people(settings: Settings, want: Expected, targets: pd.DataFrame) -> list[Check]:
    """The targets against who would truly take the offer, of those who were listening."""
    listeners = customers(settings.world)
    silent = actual.opted_out(settings)
    could = set(listeners.index[(listeners["level"] < 2) & (listeners["status"] == 1)]) - silent
    listening = set(want.plays["customer_id"]) & could
    chosen = set(targets["customer_id"])
    players = dict(zip(want.plays["event_id"], want.plays["customer_id"], strict=True))
    gold = set(listeners.index[listeners["level"] == 2])
    closed = set(listeners.index[listeners["status"] != 1])
    own = sum(
        players.get(event) == customer
        for event, customer in zip(targets["event_id"], targets["customer_id"], strict=True)
    )
    return [
        *_takers(settings, listening, chosen),
        equal("Gold members targeted", 0, len(chosen & gold)),
        equal("closed accounts targeted", 0, len(chosen & closed)),
        equal("listeners targeted who opted out", 0, len(chosen & silent)),
        equal("targets triggered by a play of their own", len(targets), int(own)),
        equal("targets of listeners targeted before", 0, _too_soon(settings, targets)),
    ]


def _too_soon(settings: Settings, targets: pd.DataFrame) -> int:
    """Targets that are within the cool-down (event time) of another one of their listener."""
    when = pd.to_datetime(targets["played_at"], utc=True)
    ordered = targets.assign(when=when).sort_values(["customer_id", "when"])
    pause = ordered.groupby("customer_id")["when"].diff()
    return int((pause < pd.Timedelta(days=settings.offer_cooldown_days)).sum())


def _takers(settings: Settings, listening: set[int], chosen: set[int]) -> list[Check]:
    """How many of the ``chosen`` would take the offer; of imported files nobody knows."""
    path = settings.world / "ledger_customers.parquet"
    if not path.exists():
        return []
    truth = pd.read_parquet(path)
    takers = set(truth.loc[truth["would_take"], "customer_id"])
    hits = len(chosen & takers)
    return [
        at_least(
            "precision: targets who would take it",
            MIN_PRECISION,
            hits / max(len(chosen), 1),
        ),
        at_least(
            "recall: listening takers who were targeted",
            settings.gate_min_recall,
            hits / max(len(listening & takers), 1),
        ),
    ]


def _once(settings: Settings, targets: pd.DataFrame, phone: dict[str, Any] | None) -> list[Check]:
    """Every target is one message, sent, and nothing waits."""
    messages = list(actual.documents(settings, SMS_INDEX, "customer_id", "event_id", "status"))
    sent = {message["_id"] for message in messages if message["status"] == "sent"}
    unfinished = actual.unfinished_messages(settings) if messages else 0
    checks = [
        same_ids("messages sent, one per target", set(targets["target_id"]), sent),
        equal("messages taken but not finished", 0, unfinished),
    ]
    if phone is not None:
        arrived = {message["key"] for message in phone["messages"]}
        checks.append(same_ids("messages at the phone", sent, arrived))
    return checks
