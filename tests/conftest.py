"""Fixtures of all tests: settings of one's own, and the real servers, started once.

``settings`` needs no server. ``stack`` gives settings whose addresses are real servers
and whose namespace and home are this test's own, so tests neither see nor disturb each
other. The servers are started once, for all workers of ``pytest -n``, in a folder and on
ports of their own; with WORKSHOP_TEST_HOME they are those already running from that folder.
"""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plan
import pytest
from ports import PORTS
from progress_lines import Progress
from shared import one_at_a_time, shared_folder, shared_home

from workshop_lib.runtime import spark_environment
from workshop_lib.runtime.identity import ADDRESS
from workshop_lib.settings import Settings

for name, port in PORTS.items():
    # A worker inherits the environment of the process that started it, which has read this file.
    if "PYTEST_XDIST_WORKER" in os.environ or name not in os.environ:
        os.environ[name] = port

#: For every process that a test starts: no job of these lasts long enough for another choice.
os.environ.setdefault("WORKSHOP_SPARK_SHORT", "1")
#: Pictures and texts are the same wherever the tests run; tests of zones name theirs.
os.environ.setdefault("WORKSHOP_TIMEZONE", "UTC")


@pytest.hookimpl(trylast=True)  # the terminal is there by then
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal and not hasattr(config, "workerinput") and config.get_verbosity() <= 0:
        config.pluginmanager.register(Progress(terminal))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> plan.LongestFirst:
    config.option.loadscopereorder = False  # they are in their order
    return plan.LongestFirst(config, log)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        for fixture, marker in (("running_stack", "stack"), ("walk", "stack"), ("spark", "spark")):
            if fixture in item.fixturenames:
                item.add_marker(marker)
    plan.longest_first(items)


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: the garbage collector need not look at them each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The servers end with the run, when all workers have."""
    if hasattr(session.config, "workerinput"):
        return
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    home = shared_home(factory.getbasetemp())
    if home.exists():
        from workshop_lib import stack

        stack.remove(Settings(home=home))


@pytest.fixture(autouse=True, scope="module")
def _offered() -> None:
    """For what a learner starts with spark-submit, as ``begin`` does it for a notebook.

    Once in each module: Spark's class archive may be built while the first ones run.
    """
    spark_environment.offer(short=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of this test's own; no server behind them."""
    return Settings(home=tmp_path, namespace=f"t{uuid.uuid4().hex[:8]}-")


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The embedded servers, for the whole run: the first worker that needs them starts them."""
    home = os.environ.get("WORKSHOP_TEST_HOME")
    if home:
        return Settings(home=Path(home))
    from workshop_lib import stack

    home = shared_home(shared_folder(tmp_path_factory))
    with one_at_a_time(home.with_suffix(".lock")):
        stack.up(Settings(home=home))  # does nothing when they run
    return Settings(home=home)  # read again, with the ports that were free


@pytest.fixture
def stack(running_stack: Settings, settings: Settings) -> Settings:
    """This test's own home and namespace on the real servers."""
    return settings.model_copy(
        update={
            name: getattr(running_stack, name)
            for name in (*ADDRESS.values(), "elasticsearch_password", "kafka_password")
        }
    )


@pytest.fixture
def admin(running_stack: Settings, stack: Settings) -> Settings:
    """``stack`` with the users who may do all."""
    from workshop_lib.stack import passwords

    whole = passwords.admin(running_stack)
    servers = ("elasticsearch", "kafka")
    names = [f"{server}_{what}" for server in servers for what in ("username", "password")]
    return stack.model_copy(update={name: getattr(whole, name) for name in names})


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

    home = tmp_path_factory.mktemp("spark 한글")
    # Hundreds of tests run queries in it, and Spark keeps something of each ended one.
    settings = Settings(
        home=home, spark_master="local[2]", shuffle_partitions=2, spark_driver_memory="2g"
    )
    session = spark_session(settings, short=True)
    yield session
    session.stop()
