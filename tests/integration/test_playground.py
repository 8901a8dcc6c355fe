"""The lessons break things beside the real ones, and start offers over, on the real servers."""

from __future__ import annotations

from typing import Any

import pytest
from sms_orders import order

from workshop_lib.connections import create_index, create_topics, elasticsearch, redis_client
from workshop_lib.marketing import optouts
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import checkpoint
from workshop_lib.teach import offers
from workshop_lib.teach.operating import forget_last_commit
from workshop_lib.teach.playground import playground

pytestmark = pytest.mark.stack


def keys(settings: Settings) -> set[Any]:
    return set(redis_client(settings).scan_iter(match=settings.key("*"), count=1000))


def test_a_playground_is_empty_each_time_and_leaves_the_real_thing_alone(stack: Settings) -> None:
    create_topics(stack)
    order(stack, 1)
    before = keys(stack)
    lab = playground(stack, "lab")
    order(lab, 2)
    create_index(lab, elasticsearch(lab), "targets")
    (lab.home / "models").mkdir(parents=True)
    assert keys(stack) > before, "its keys lie under ours, so a reset takes them along"
    again = playground(stack, "lab")
    assert again == lab
    assert keys(stack) == before
    assert not elasticsearch(lab).indices.exists(index=lab.index("targets"))
    assert not (lab.home / "models").exists()
    assert lab.world == stack.world


def test_forgotten_offers_can_be_made_again_but_not_to_those_who_opted_out(stack: Settings) -> None:
    optouts.add(stack, 3)
    order(stack, 1)
    create_index(stack, elasticsearch(stack), "sms")
    checkpoint(stack, "targets").mkdir(parents=True)
    checkpoint(stack, "plays").mkdir(parents=True)
    with pytest.raises(AssertionError):
        order(stack, 1)  # the same play again
    offers.forget(stack)
    order(stack, 1)
    assert optouts.listed(stack) == [3]
    assert not elasticsearch(stack).indices.exists(index=stack.index("sms"))
    assert not checkpoint(stack, "targets").exists()
    assert checkpoint(stack, "plays").exists()


def test_the_last_commit_is_the_one_with_the_highest_number(settings: Settings) -> None:
    commits = checkpoint(settings, "plays") / "commits"
    commits.mkdir(parents=True)
    for name in ("9", "10", ".10.crc", ".9.crc", "metadata"):
        (commits / name).touch()
    forget_last_commit(settings, "plays")
    assert {path.name for path in commits.iterdir()} == {"9", ".9.crc", "metadata"}
