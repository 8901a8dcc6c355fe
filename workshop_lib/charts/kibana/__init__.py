"""Kibana's saved objects, written from the catalogue and its dashboards.

``visualizations`` and ``saved_objects`` turn both into what Kibana imports, ``document`` into the
tables of ``docs/kibana.md``. ``make kibana`` writes the files.
"""
