"""The shipper's way into Elasticsearch: index ``plays-raw``, id = event id.

Dead letters are appended to a file. See ``sink``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from workshop_lib.ingest import dead_letters
from workshop_lib.ingest.dead_letters import DeadLetter
from workshop_lib.ingest.sinks.sink import RejectedPlay, Unavailable
from workshop_lib.runtime.connections import create_index, elasticsearch, write_documents
from workshop_lib.runtime.store_errors import StoreBusy, StoreUnavailable
from workshop_lib.schema.names import PLAYS_RAW_INDEX
from workshop_lib.schema.play import Play, to_document
from workshop_lib.settings import Settings


class ElasticsearchSink:
    """Delivers by bulk requests, whose items are answered one by one."""

    INDEX: Final = PLAYS_RAW_INDEX

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = elasticsearch(settings)
        self._made = False

    def deliver(self, plays: Sequence[Play]) -> list[RejectedPlay]:
        if not plays:
            return []
        places: dict[str, list[int]] = {}
        for place, play in enumerate(plays):
            places.setdefault(str(play.event_id), []).append(place)
        documents = ((str(play.event_id), to_document(play)) for play in plays)
        settings = self._settings
        try:
            if not self._made:
                create_index(settings, self._client, self.INDEX)
                self._made = True
            rejected = write_documents(settings, self._client, self.INDEX, documents)
        except StoreUnavailable as error:
            what = "does not take plays now" if isinstance(error, StoreBusy) else "does not answer"
            where = settings.elasticsearch_url
            raise Unavailable(f"Elasticsearch at {where} {what} ({error})") from error
        return [RejectedPlay(places[each.id].pop(0), each.reason) for each in rejected]

    def send_to_dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        dead_letters.append_to_file(self._settings, letters)

    def close(self) -> None:
        self._client.close()
