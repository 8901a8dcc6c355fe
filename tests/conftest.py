"""Fixtures of all tests: settings of one's own, and the real servers, started once.

``settings`` needs no server. ``stack`` gives settings whose addresses are real servers
and whose namespace and home are this test's own, so tests neither see nor disturb each
other. The servers are started once a session, in a folder and on ports of their own;
with WORKSHOP_TEST_HOME they are those already running from that folder.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.settings import Settings

#: For every process that a test starts: no job of these lasts long enough for another choice.
os.environ.setdefault("WORKSHOP_SPARK_SHORT", "1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of this test's own; no server behind them."""
    return Settings(home=tmp_path, namespace=f"t{uuid.uuid4().hex[:8]}-")


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The embedded servers, for the whole session."""
    home = os.environ.get("WORKSHOP_TEST_HOME")
    if home:
        yield Settings(home=Path(home))
        return
    from workshop_lib import stack

    settings = Settings(home=tmp_path_factory.mktemp("stack"))
    try:
        stack.up(settings)
        yield Settings(home=settings.home)  # read again, with the ports that were free
    finally:
        stack.remove(settings)


@pytest.fixture
def stack(running_stack: Settings, settings: Settings) -> Settings:
    """This test's own home and namespace on the real servers."""
    return settings.model_copy(
        update={
            name: getattr(running_stack, name)
            for name in ("kafka_bootstrap", "elasticsearch_url", "redis_url")
        }
    )


@pytest.fixture
def nothing_left(stack: Settings) -> Iterator[None]:
    """After the test its topics, indices and keys are gone: its name space is never used again."""
    from workshop_lib.stack.reset import reset

    yield
    reset(stack)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one Spark session of this test run, as ``workshop stream`` makes it."""
    from workshop_lib.stream.session import spark_session

    home = tmp_path_factory.mktemp("spark")
    settings = Settings(home=home, spark_master="local[2]", shuffle_partitions=2)
    session = spark_session(settings, short=True)
    yield session
    session.stop()
