"""Real-time analytics of a music site, on real Kafka, Spark, Elasticsearch and Redis.

The data flow is the folder order: ``world`` makes the recorded plays, ``ingest``
replays and ships them, ``stream`` joins and counts them, ``explore`` asks the
questions, ``verify`` compares the answers with what was planted.
"""

from workshop_lib.runtime import environment

environment.clean()
