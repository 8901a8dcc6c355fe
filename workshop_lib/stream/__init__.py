"""Stage 2: plays flow from Kafka through Spark into Elasticsearch and Redis.

Read it in this order: ``source`` (Kafka → plays), ``enrich`` (who, what, where),
``aggregate`` (per minute), ``interests`` (the same track again and again), ``sinks`` (out of
Spark), ``run`` (the three queries, started and stopped). All but the last two are pure
functions ``DataFrame → DataFrame`` that work on a batch as they do on a stream.
"""
