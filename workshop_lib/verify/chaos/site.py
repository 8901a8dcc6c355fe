"""The servers, the processes and the writer of a chaos run.

In: a home and a seed. Out: ``Site``: everything is started as a user starts it, by ``workshop``
commands; one that ends is started again, as a supervisor does.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil

from workshop_lib.errors import WorkshopError
from workshop_lib.runtime import child, process
from workshop_lib.runtime.connections import elasticsearch, redis_client
from workshop_lib.schema.names import PLAYS_INDEX, PLAYS_RAW_INDEX, SMS_GROUP, SMS_OUTBOX
from workshop_lib.settings import Settings
from workshop_lib.verify import actual
from workshop_lib.verify.chaos.load import Writer
from workshop_lib.verify.chaos.page import shows_the_stores
from workshop_lib.verify.chaos.small_disk import SmallDisk

log = logging.getLogger(__name__)

#: Enough customers that their clicks always train a model; LISTENERS of them play, so that
#: interests form within seconds.
CUSTOMERS, LISTENERS, TRACKS = 4000, 1000, 200
RATE = 40.0  # lines a second
REST = 3.0  # seconds from one start of a process to the next
SERVERS: Final = ("kafka", "elasticsearch", "redis")
STEPS: Final = ("sms-gateway", "sms-server", "stream", "ship-kafka", "ship-elasticsearch", "web")
#: Not the stream's own process, but what it started.
INSIDE_STREAM: Final = ("spark-jvm", "python-workers")


class Site:
    """The servers, the processes and the writer of one run."""

    def __init__(self, home: Path, seed: int, with_page: bool) -> None:
        self.home, self.draw = home, random.Random(seed)
        self.disk = SmallDisk(home)
        ports = iter(range(21_000 + os.getpid() % 500 * 16, 32_000))
        self.port = {name: process.free_port(next(ports)) for name in (*SERVERS, *STEPS)}
        # Nothing of the caller's: neither its servers nor its namespace.
        mine = {
            f"WORKSHOP_{name}"
            for name in ("ELASTICSEARCH_USER", "MAVEN_REPOSITORY", "SPARK_SHORT", "TRIGGER_SECONDS")
        }
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in mine or not k.startswith("WORKSHOP_")},
            "WORKSHOP_HOME": str(home),
            **{f"WORKSHOP_{name.upper()}_PORT": str(self.port[name]) for name in SERVERS},
            "WORKSHOP_SMS_URL": f"http://127.0.0.1:{self.port['sms-gateway']}",
            "WORKSHOP_SMS_CLAIM_SECONDS": "10",
            "WORKSHOP_OFFER_COOLDOWN_DAYS": "0.0005",  # 43 s: offers go on
            "WORKSHOP_OFFER_DAILY_CAP": "1000000",
            # Whether a model is good is not what is asked here.
            **{f"WORKSHOP_GATE_MIN_{name}": "0" for name in ("PRECISION", "RECALL")},
            "WORKSHOP_GATE_MAX_ERROR": "1",
            "WORKSHOP_GATE_MIN_LIFT": "1",
        }
        self.commands = {
            "sms-gateway": ["sms-gateway", "--port", str(self.port["sms-gateway"])],
            "sms-server": ["sms-server", "--workers", "2"],
            "stream": ["stream"],
            "ship-kafka": ["ship", "--to", "kafka"],
            "ship-elasticsearch": ["ship", "--to", "elasticsearch"],
        }
        if with_page:
            self.commands["web"] = ["web", "--port", str(self.port["web"])]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.starts: Counter[str] = Counter()
        self.restarted: list[str] = []
        self.missing = ""  # what did not flow when it was looked at last
        self._started_at: dict[str, float] = {}
        self.phone: Counter[str] = Counter()  # key → lives of the gateway that showed it
        self._of_this_life: set[str] = set()
        self.writer = Writer(home / "log" / "plays.log", LISTENERS, TRACKS, RATE, seed)

    # Processes --------------------------------------------------------------------

    def workshop(self, *words: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", child.WORKSHOP, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def must(self, *words: str) -> None:
        done = self.workshop(*words)
        if done.returncode:
            raise WorkshopError(
                f"`workshop {' '.join(words)}` failed: {done.stderr.strip()[-300:]}"
            )

    def up(self) -> None:
        self.must("up")
        # From the files, as the caller's environment may name other servers.
        running = json.loads((self.home / "stack.json").read_text())
        secrets = self.home / "secrets.json"
        addresses = running["addresses"] | (
            json.loads(secrets.read_text()) if secrets.exists() else {}
        )
        addresses["identity"] = running.get("identity", "")
        self.settings = Settings(
            home=self.home, stack=running["stack"], namespace="", data=None, **addresses
        )

    def start(self, name: str) -> None:
        self.starts[name] += 1
        self._started_at[name] = time.monotonic()
        path = self.home / "logs" / f"chaos-{name}-{self.starts[name]}.log"
        command = process.Command(
            [sys.executable, "-m", child.WORKSHOP, *self.commands[name]], self.environment
        )
        self.running[name] = process.spawn(command, path)
        if name == "sms-gateway":
            self._of_this_life = set()

    def supervise(self) -> None:
        """Start again what has ended."""
        for name, running in list(self.running.items()):
            # Not at once again and again, while a server is away.
            rested = time.monotonic() > self._started_at[name] + REST
            if running.poll() is not None and rested:
                self.restarted.append(name)
                self.start(name)

    def processes(self, name: str) -> list[psutil.Process]:
        """The process of a server or step; of Elasticsearch its launcher, too; of the page its
        server, which ends with the command that started it."""
        with suppress(psutil.NoSuchProcess, KeyError):  # ended, or stopped by us
            if name in (*SERVERS, "web"):
                found = process.find(name, self.home / "pids")
                return process.family(found) if found else []
            if name in INSIDE_STREAM:
                inside = psutil.Process(self.running["stream"].pid).children(recursive=True)
                java = [p for p in inside if p.name() == "java"]
                return java if name == "spark-jvm" else [p for p in inside if p not in java]
            return [psutil.Process(self.running[name].pid)]
        return []

    def signal(self, name: str, number: int) -> None:
        for each in self.processes(name):
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)

    # The phone --------------------------------------------------------------------

    def poll_phone(self) -> None:
        """Note what the gateway shows: it forgets everything when it ends."""
        url = f"{self.environment['WORKSHOP_SMS_URL']}/messages"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            shown = {message["key"] for message in json.load(answer)["messages"]}
            self.phone.update(shown - self._of_this_life)
            self._of_this_life |= shown

    @contextmanager
    def nothing_is_sent(self) -> Iterator[None]:
        """The SMS server stands still, and what it had sent is noted."""
        self.signal("sms-server", signal.SIGSTOP)
        try:
            time.sleep(0.5)
            self.poll_phone()
            yield
        finally:
            self.signal("sms-server", signal.SIGCONT)

    # How far it is ----------------------------------------------------------------

    def flows(self, event: int, entry: str) -> bool:
        """Whether the play ``event`` is in both indices, the outbox is done up to ``entry``, and
        the page shows it; ``missing`` says what does not, yet."""
        self.supervise()
        self.poll_phone()
        try:
            client = elasticsearch(self.settings).options(request_timeout=5, max_retries=0)
            with closing(client):
                for index in (PLAYS_RAW_INDEX, PLAYS_INDEX):
                    self.missing = f"index {index}"
                    client.get(index=self.settings.index(index), id=str(event))
            self.missing = "outbox"
            if not self._outbox_is_past(entry):
                return False
            self.missing = "page"
            return self._page_is_right()
        except Exception as error:  # whatever a server says that is not well yet
            log.debug("not yet: %s: %s", self.missing, error)
            return False

    def newest_entry(self) -> str:
        with suppress(Exception):
            newest: Any = redis_client(self.settings).xrevrange(
                self.settings.key(SMS_OUTBOX), count=1
            )
            return str(newest[0][0]) if newest else "0-0"
        return "0-0"

    def _outbox_is_past(self, entry: str) -> bool:
        def number(id_: str) -> tuple[int, ...]:
            return tuple(map(int, id_.split("-")))

        client, outbox = redis_client(self.settings), self.settings.key(SMS_OUTBOX)
        groups: Any = client.xinfo_groups(outbox)
        pending: Any = client.xpending(outbox, SMS_GROUP)
        read = number(groups[0]["last-delivered-id"]) >= number(entry)
        return read and (not pending["pending"] or number(pending["min"]) > number(entry))

    def _page_is_right(self) -> bool:
        if "web" not in self.commands:
            return True
        return shows_the_stores(self.settings, f"http://127.0.0.1:{self.port['web']}")

    def shipped(self) -> bool:
        """Whether both shippers have counted every line that was written."""
        self.supervise()
        states = [actual.shipped(self.settings, to) for to in ("kafka", "elasticsearch")]
        return all(state and state["lines"] >= self.writer.written.lines for state in states)
