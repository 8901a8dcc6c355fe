"""Kibana's charts on real Elasticsearch: each one's own query, over plays that went all the way.

Kibana cannot run here. What it would ask is read from the NDJSON that it imports, sent to
Elasticsearch, and compared with the number of documents.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from kibana_check import counted, empty, levels, wrong_fields
from kibana_query import Object, Question, Span, questions
from made_models import NO, candidate
from pyspark.sql import SparkSession
from sms_orders import quick
from target_world import accept

from workshop_lib.charts.kibana.saved_objects import FILE
from workshop_lib.ingest.replay import replay
from workshop_lib.ingest.ship import ship
from workshop_lib.marketing import model_index, optouts, registry, targets
from workshop_lib.marketing.sms_gateway import Phone, serving
from workshop_lib.marketing.sms_server import serve
from workshop_lib.runtime import connections
from workshop_lib.schema.world import LIVE_HOURS as HOURS
from workshop_lib.settings import Settings
from workshop_lib.stack.reset import reset
from workshop_lib.stream.pipeline import QUERIES
from workshop_lib.stream.run import run
from workshop_lib.world.generate import generate

# With Spark started, offers scored and messages sent first, its one fixture takes a minute.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

OBJECTS: list[Object] = [json.loads(line) for line in FILE.read_text().splitlines()]
MORE = {"targets": targets.targets_query}


class Filled(NamedTuple):
    """Indices that all four stages have filled, and the time range of the dashboards."""

    settings: Settings
    span: Span

    def search(self, question: Question, span: Span | None) -> Any:
        return connections.elasticsearch(self.settings).search(
            index=self.settings.index(question.index),
            query=question.query(span),
            track_total_hits=True,
            **question.body,
        )

    def count(self, question: Question, *fields: str) -> int:
        """Documents of the question that have a value in each of ``fields``."""
        has = [{"exists": {"field": field}} for field in fields]
        answer = connections.elasticsearch(self.settings).count(
            index=self.settings.index(question.index),
            query={"bool": {"filter": [question.query(self.span), *has]}},
        )
        return int(answer["count"])

    def caps(self, index: str) -> dict[str, dict[str, Any]]:
        client = connections.elasticsearch(self.settings)
        answer = client.field_caps(index=self.settings.index(index), fields="*")
        return dict(answer["fields"])


@pytest.fixture(scope="module")
def filled(
    running_stack: Settings, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    """A small world, replayed, shipped, streamed, offered and sent, by the real code."""
    settings = running_stack.model_copy(
        update={
            "home": tmp_path_factory.mktemp("kibana"),
            "namespace": f"t{uuid.uuid4().hex[:8]}-",
        }
    )
    generate(settings.world, seed=7, customers=100, tracks=50, plays=6000, days=3)
    replay(settings, speed=HOURS * 3600, last_hours=HOURS)
    connections.create_topics(settings)
    ship(settings, "elasticsearch", once=True)
    ship(settings, "kafka", once=True)
    registry.store(settings, replace(candidate(), metrics=MEASURED), NO)
    accept(spark, settings)
    model_index.publish(settings)
    run(settings, [*QUERIES, *MORE], available_now=True, more=MORE)
    client = connections.elasticsearch(settings)
    client.indices.refresh(index=settings.index("*"))
    offered = client.search(index=settings.index("targets"), size=1)["hits"]["hits"]
    optouts.add(settings, offered[0]["_source"]["customer_id"])
    with serving(Phone()) as url:
        serve(quick(settings, url), once=True)
    client.indices.refresh(index=settings.index("*"))
    end = datetime.now(UTC)
    begin = end - timedelta(hours=HOURS)
    yield Filled(settings, Span(begin.isoformat(), end.isoformat(), HOURS * 3600))
    reset(settings)


#: The numbers of the model that was refused.
MEASURED = {"error": 0.2, "precision": 0.5, "recall": 0.4, "lift": 1.0, "customers": 100}


def asked(filled: Filled, objects: list[Object] = OBJECTS) -> list[Question]:
    return list(questions(objects, filled.span))


def changed(id_: str, change: Callable[[Object], None]) -> list[Object]:
    """All objects, and what ``change`` does to the ``visState`` of one."""
    objects = copy.deepcopy(OBJECTS)
    (one,) = [each for each in objects if each["id"] == id_ and each["type"] == "visualization"]
    state = json.loads(one["attributes"]["visState"])
    change(state)
    one["attributes"]["visState"] = json.dumps(state)
    return objects


def test_every_field_is_there_and_can_be_used_as_its_chart_uses_it(filled: Filled) -> None:
    assert wrong_fields(asked(filled), filled.caps) == []


def test_a_field_misspelt_or_of_another_type_is_found(filled: Filled) -> None:
    for field, found in (("gendr", "absent"), ("location", "geo_point")):
        spoilt = changed(
            "workshop-gender", lambda state, to=field: state["aggs"][1]["params"].update(field=to)
        )
        expected = [f"workshop-gender: {field} for terms is {found}"]
        assert wrong_fields(asked(filled, spoilt), filled.caps) == expected


def test_every_chart_shows_something(filled: Filled) -> None:
    everything = asked(filled)
    charts = [each["id"] for each in OBJECTS if each["type"] not in ("index-pattern", "dashboard")]
    assert {question.name for question in everything} == set(charts)
    assert empty(everything, filled.span, filled.search) == []


def test_a_chart_that_shows_nothing_is_found(filled: Filled) -> None:
    objects = copy.deepcopy(OBJECTS)
    (one,) = [each for each in objects if each["id"] == "workshop-per-minute"]
    meta = one["attributes"]["kibanaSavedObjectMeta"]
    meta["searchSourceJSON"] = meta["searchSourceJSON"].replace("dimension : all", "dimension : x")
    assert empty(asked(filled, objects), filled.span, filled.search) == [
        "workshop-per-minute: no document",
        "workshop-per-minute: no bucket",
    ]
    never = filled.span._replace(end=filled.span.begin)
    dated = [question for question in asked(filled) if question.time_field]
    assert {fault.split(":")[0] for fault in empty(dated, never, filled.search)} == {
        question.name for question in dated
    }


def test_the_buckets_of_every_chart_hold_every_document(filled: Filled) -> None:
    """Each play that has the chart's fields is in one bucket: none is lost, none counted twice."""
    checked = 0
    for question in asked(filled):
        nested = levels(question.body)
        if not nested:
            continue
        answer = filled.search(question, filled.span)
        ids = [id_ for id_, _, _ in nested]
        held = counted(answer["aggregations"], ids)
        expected = filled.count(question, *(field for _, _, field in nested))
        assert held == expected > 0, question.name
        answer["aggregations"][nested[0][0]]["buckets"].pop()
        assert counted(answer["aggregations"], ids) < held  # one bucket lost
        checked += 1
    assert checked > 30


def test_numbers_that_are_known_otherwise(filled: Filled) -> None:
    """Metrics against the documents themselves, read one by one."""
    by_name = {question.name: question for question in asked(filled)}
    client = connections.elasticsearch(filled.settings)

    def rows(index: str) -> list[dict[str, Any]]:
        answer = client.search(index=filled.settings.index(index), size=10_000)
        assert answer["hits"]["total"]["value"] < 10_000
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def metrics(name: str) -> list[float]:
        aggs = filled.search(by_name[name], None)["aggregations"]
        return [aggs[id_]["value"] for id_ in sorted(aggs)]

    plays = rows("plays")
    assert metrics("workshop-total") == [
        len({play["customer_id"] for play in plays}),
        len({play["artist"] for play in plays if play.get("artist")}),
    ]
    raw = rows("plays-raw")
    assert metrics("workshop-raw-total") == [
        len({play["customer_id"] for play in raw}),
        len({play["track_id"] for play in raw}),
    ]
    counts = filled.search(by_name["workshop-per-minute"], None)["aggregations"]
    (histogram,) = counts.values()
    (total,) = {sum(bucket["1"]["value"] for bucket in histogram["buckets"])}
    assert total == len(plays)
    devices = filled.search(by_name["workshop-device"], None)["aggregations"]
    (slices,) = devices.values()
    for bucket in slices["buckets"]:
        expected = sum(play["device"] == bucket["key"] for play in plays)
        assert bucket["doc_count"] == expected
    errors = filled.search(by_name["workshop-model-error"], None)["aggregations"]
    (models,) = errors.values()
    assert {bucket["1"]["value"] for bucket in models["buckets"]} == {0.0, MEASURED["error"]}


def test_a_click_that_leads_to_a_dashboard_leaves_each_of_its_charts_a_field_to_filter_by(
    filled: Filled,
) -> None:
    """A filter on a field that an index does not have would empty its charts."""
    by_id = {question.name: question for question in asked(filled)}
    led = 0
    for dashboard in (each for each in OBJECTS if each["type"] == "dashboard"):
        references = {ref["name"]: ref["id"] for ref in dashboard["references"]}
        for name, target in references.items():
            if ":drilldown:" not in name:
                continue
            panel = by_id[references[f"{name.split(':')[0]}:panel_{name.split(':')[0]}"]]
            clicked = {field for _, _, field in levels(panel.body)}
            (there,) = [each for each in OBJECTS if each["id"] == target]
            for ref in there["references"]:
                if ":panel_" in ref["name"]:
                    assert clicked <= set(filled.caps(by_id[ref["id"]].index)), (name, ref["id"])
            led += 1
    assert led == 7
