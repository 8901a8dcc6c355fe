"""``python -m workshop_lib.charts.kibana``: write the saved objects and the tables about them."""

from __future__ import annotations

from workshop_lib.charts.kibana import document, saved_objects
from workshop_lib.settings import PROJECT

if __name__ == "__main__":
    count = saved_objects.write()
    document.write()
    for path in (saved_objects.FILE, document.DOCUMENT):
        print(f"{path.relative_to(PROJECT)}: {count} saved objects")
