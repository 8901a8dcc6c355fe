"""The streams of others, on the same topic: run, checked against the ledger, timed.

Each peer is a program of ``benchmarks/peers/`` in an environment of its own, made from their
lock file the first time. It says how long it took from its first read to its last write; its
start is not counted, as it is not for the workshop's queries.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyspark
from workload import differences, empty

from workshop_lib.runtime import artifacts, java
from workshop_lib.schema.labels import AGE_BANDS, CAMPAIGN, DEVICE, GENDER, LEVEL
from workshop_lib.schema.names import (
    INTERESTS_INDEX,
    PLAYS_INDEX,
    PLAYS_PER_MINUTE_INDEX,
    PLAYS_TOPIC,
)
from workshop_lib.settings import Settings
from workshop_lib.verify.expected import Expected

HERE: Final = Path(__file__).parent / "peers"
LOCK: Final = HERE / "requirements.lock"
CONNECTOR: Final = "flink-sql-connector-kafka-5.0.0-2.2.jar"
CONNECTOR_SHA256: Final = "5605c691d11a501382c383fecba37a7a552467da5ab7ba904ef5d6f3d62c5616"
#: The most seconds that a peer may take.
PATIENCE: Final = 600


class Peer(NamedTuple):
    """``work`` is what of the workshop does the same: a step of ``steps.SETS``."""

    program: str
    indices: tuple[str, ...]
    work: str


BOTH: Final = (PLAYS_INDEX, PLAYS_PER_MINUTE_INDEX)
PEERS: Final = {
    "plain Python": Peer("plain_python.py", (*BOTH, INTERESTS_INDEX), "three queries"),
    "Quix Streams": Peer("quix.py", BOTH, "enrich and counts"),
    "Flink SQL": Peer("flink.py", BOTH, "enrich and counts"),
}


def environment() -> Path:
    """The Python of the peers' environment, made or brought up to date if need be."""
    folder = artifacts.cache() / "peers"
    python, stamp = folder / "bin" / "python", folder / "lock"
    if not stamp.exists() or stamp.read_text() != LOCK.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [
                *(python, "-m", "pip", "install", "--disable-pip-version-check", "-q"),
                *("--no-deps", "--no-compile", "--require-hashes", "-r", LOCK),
            ],
            check=True,
        )
        stamp.write_text(LOCK.read_text())
    return python


def flink_connector() -> Path:
    """Flink's Kafka connector, fetched once and verified."""
    folder = artifacts.cache() / "peers"
    jar = folder / CONNECTOR
    if not jar.exists():
        (folder / "ivysettings.xml").write_text(artifacts.ivy_settings(""))
        (ivy,) = (Path(pyspark.__path__[0]) / "jars").glob("ivy-*.jar")
        subprocess.run(
            [
                *(java.find().program, "-cp", ivy, "org.apache.ivy.Main"),
                *("-settings", "ivysettings.xml", "-ivy", HERE / "ivy.xml", "-cache", "ivy"),
                *("-retrieve", "[artifact]-[revision].[ext]"),
            ],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    if artifacts.digest(jar) != CONNECTOR_SHA256:
        raise SystemExit(f"{jar} is not the file that it should be (its sha256 differs).")
    return jar


def _with_password(settings: Settings) -> str:
    """The address of Elasticsearch with user and password, as every client reads it."""
    password = settings.elasticsearch_password.get_secret_value()
    user = f"{settings.elasticsearch_username}:{password}@" if password else ""
    return settings.elasticsearch_url.replace("://", f"://{user}", 1)


def variables(settings: Settings) -> dict[str, str]:
    labels = {
        "gender": {str(code): name for code, name in GENDER.items()},
        "level": {str(code): name for code, name in LEVEL.items()},
        "campaign": {str(code): name for code, name in CAMPAIGN.items()},
        "device": {str(code).lower(): name for code, name in DEVICE.items()},
    }
    return {
        "BENCH_KAFKA": settings.kafka_bootstrap,
        "BENCH_KAFKA_LOGIN": json.dumps(settings.kafka_login()),
        "BENCH_TOPIC": settings.topic(PLAYS_TOPIC),
        "BENCH_ELASTICSEARCH": _with_password(settings),
        "BENCH_REDIS": settings.redis_url,
        "BENCH_PREFIX": settings.index(""),
        "BENCH_WORLD": str(settings.world),
        "BENCH_LABELS": json.dumps(labels),
        "BENCH_AGE_BANDS": json.dumps(AGE_BANDS),
        "BENCH_FLINK_KAFKA": str(flink_connector()),
        "JAVA_HOME": str(java.find().home),
        "PATH": os.environ["PATH"],
        "HOME": str(settings.home),
    }


def run(python: Path, settings: Settings, peer: Peer) -> dict[str, Any]:
    """Seconds and plays, as the peer says; ``left_out`` when it does not run here."""
    empty(settings)
    done = subprocess.run(
        [python, HERE / peer.program],
        env=variables(settings),
        cwd=settings.home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        (settings.home / "peer.log").write_text(done.stderr)
        causes = re.findall(r"^(?:: |Caused by: |\w[\w.]*Error: ).+", done.stderr, re.MULTILINE)
        return {"left_out": (causes or ["it ended with an error"])[-1][:200]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(settings: Settings, truth: Expected, runs: int, names: list[str]) -> dict[str, Any]:
    """Each peer's seconds; they take turns. ``settings`` has the full topic."""
    python = environment()
    result: dict[str, Any] = {
        name: {"work": PEERS[name].work, "seconds": [], "plays": 0} for name in names
    }
    for _ in range(runs):
        for name in names:
            entry, peer = result[name], PEERS[name]
            if "left_out" in entry:
                continue
            found = run(python, settings, peer)
            if "left_out" in found:
                entry |= found
                continue
            different = differences(settings, truth, *peer.indices)
            if different:
                entry["different"] = different
            entry["seconds"].append(found["seconds"])
            entry["plays"] = found["plays"]
    return result
