"""Delete the documents that are older than their index keeps them. Kafka and Redis do so alone."""

from __future__ import annotations

from contextlib import closing

from elasticsearch.helpers import bulk, scan

from workshop_lib.runtime.connections import elasticsearch
from workshop_lib.schema.retention import INDEX_AGE
from workshop_lib.settings import Settings


def expire(settings: Settings, dry_run: bool = False) -> dict[str, int]:
    """Index → documents over their age, deleted unless ``dry_run``.

    By their ids, as the embedded server has no deleting by query. A play that streams over the
    topic again comes back under the same id, and goes with the next run.
    """
    found = {}
    with closing(elasticsearch(settings)) as client:
        for name, (field, days) in INDEX_AGE.items():
            index = settings.index(name)
            if not client.indices.exists(index=index):
                continue
            client.indices.refresh(index=index)
            query = {"query": {"range": {field: {"lt": f"now-{days}d"}}}, "_source": False}
            ids = [hit["_id"] for hit in scan(client, index=index, query=query)]
            found[name] = len(ids)
            if ids and not dry_run:
                bulk(client, ({"_op_type": "delete", "_index": index, "_id": i} for i in ids))
                client.indices.refresh(index=index)
    return found
