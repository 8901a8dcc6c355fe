"""Settings of a home and namespace of their own, for what ``begin`` makes."""

from __future__ import annotations

import uuid
from pathlib import Path

from workshop_lib.settings import Settings


def of_its_own(running: Settings, home: Path, namespace: str = "") -> Settings:
    return Settings(
        home=home,
        namespace=namespace or f"t{uuid.uuid4().hex[:8]}-",
        kafka_bootstrap=running.kafka_bootstrap,
        kafka_password=running.kafka_password,
        elasticsearch_url=running.elasticsearch_url,
        elasticsearch_password=running.elasticsearch_password,
        redis_url=running.redis_url,
        spark_master="local[2]",
        shuffle_partitions=2,
    )
