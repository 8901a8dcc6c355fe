"""``python -m workshop_lib.charts``: write what is made from the catalogue, as ``make kibana``."""

from __future__ import annotations

from workshop_lib.charts import page_requests
from workshop_lib.charts.kibana import document, saved_objects
from workshop_lib.settings import PROJECT

if __name__ == "__main__":
    for module in (saved_objects, document, page_requests):
        print(module.write().relative_to(PROJECT))
