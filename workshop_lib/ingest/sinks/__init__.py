"""Where a shipper delivers: index ``plays-raw`` (Stage 1) or topic ``plays`` (Stage 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from workshop_lib.ingest.sinks.elasticsearch import ElasticsearchSink
from workshop_lib.ingest.sinks.kafka import KafkaSink
from workshop_lib.ingest.sinks.sink import Sink
from workshop_lib.settings import Settings

#: Name of a target on the command line → how to make its sink.
SINKS: Final[dict[str, Callable[[Settings], Sink]]] = {
    "elasticsearch": ElasticsearchSink,
    "kafka": KafkaSink,
}
