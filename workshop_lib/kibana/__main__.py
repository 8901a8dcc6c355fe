"""``python -m workshop_lib.kibana``: write the saved objects. ``make kibana`` calls it."""

from __future__ import annotations

from workshop_lib.kibana.saved_objects import FILE, write
from workshop_lib.settings import PROJECT

if __name__ == "__main__":
    print(f"{write()} saved objects in {FILE.relative_to(PROJECT)}")
