"""Index templates: the files are the contract's, and the real Elasticsearch works by them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from workshop_lib.runtime import connections
from workshop_lib.schema import generated
from workshop_lib.schema.tables import INDICES, mapping
from workshop_lib.settings import Settings


def test_there_is_a_file_for_every_index_and_no_other() -> None:
    files = {path.stem for path in generated.ELASTICSEARCH.glob("*.json")}
    assert files == set(INDICES)


@pytest.fixture
def client(stack: Settings, admin: Settings) -> Iterator[Elasticsearch]:
    """With every file put, under names and for indices of this test's own."""
    client = connections.elasticsearch(admin)  # the kit's user puts no templates
    names = []
    for path in sorted(generated.ELASTICSEARCH.glob("*.json")):
        template = json.loads(path.read_text())
        # The file's pattern would match everybody's index here.
        assert template["index_patterns"] == [path.stem, f"*-{path.stem}"]
        template["index_patterns"] = [stack.index(path.stem)]
        names.append(stack.index(f"template-{path.stem}"))
        client.indices.put_index_template(name=names[-1], **template)
    yield client
    client.indices.delete(index=[stack.index(index) for index in INDICES])
    client.indices.delete_index_template(name=",".join(names))
    client.close()


@pytest.mark.stack
def test_an_index_made_by_its_template_is_the_one_that_the_kit_makes(
    stack: Settings, client: Elasticsearch
) -> None:
    for index in INDICES:
        name = stack.index(index)
        # With no more than its name, as Logstash's first document makes it in Docker.
        client.indices.create(index=name)
        found = client.indices.get_mapping(index=name)[name]["mappings"]
        assert found == {**mapping(index)["mappings"], "dynamic": "strict"}
        settings = client.indices.get_settings(index=name)[name]["settings"]["index"]
        assert settings["refresh_interval"] == "1s" and settings["number_of_replicas"] == "0"
