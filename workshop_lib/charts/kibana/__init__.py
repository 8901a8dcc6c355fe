"""What Kibana shows: a table of charts, a table of dashboards, and what writes them as NDJSON.

``charts`` and ``dashboards`` are the source, ``saved_objects`` turns them into what Kibana
imports; ``make kibana`` writes it to ``docker/kibana/workshop.ndjson``.
"""
