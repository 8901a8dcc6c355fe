"""The lesson on offers starts over, and does a batch again, on the real servers."""

from __future__ import annotations

import pytest
from sms_orders import order

from workshop_lib.lessons.operate_it import forget_last_commit
from workshop_lib.lessons.sandbox import forget
from workshop_lib.marketing import optouts
from workshop_lib.runtime.connections import create_index, elasticsearch
from workshop_lib.settings import Settings
from workshop_lib.stream.progress import checkpoint

pytestmark = pytest.mark.stack


def test_forgotten_offers_can_be_made_again_but_not_to_those_who_opted_out(stack: Settings) -> None:
    optouts.add(stack, 3)
    order(stack, 1)
    create_index(stack, elasticsearch(stack), "sms")
    checkpoint(stack, "targets").mkdir(parents=True)
    checkpoint(stack, "plays").mkdir(parents=True)
    with pytest.raises(AssertionError):
        order(stack, 1)  # the same play again
    forget(stack, "targets")
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
