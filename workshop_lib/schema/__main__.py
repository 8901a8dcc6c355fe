"""``python -m workshop_lib.schema``: write what other languages need of the schema."""

from workshop_lib.schema.generated import PROJECT, write

for path in write():
    print(f"written: {path.relative_to(PROJECT)}")
