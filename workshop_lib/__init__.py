"""Real-time analytics of a music site, on real Kafka, Spark, Elasticsearch and Redis.

The data flow is the folder order: ``world`` makes the recorded plays, ``ingest``
replays and ships them, ``stream`` joins and counts them, ``marketing`` makes offers,
``charts`` asks the questions, ``verify`` compares the answers with what was planted.
"""

from workshop_lib.runtime import collector, environment

environment.clean()
collector.look_seldom()
