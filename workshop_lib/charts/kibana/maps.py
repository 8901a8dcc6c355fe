"""The two maps, neither of which asks a server outside for a background.

``state_map``: a Vega drawing, a dot per place and a circle per state at the middle of its
plays, so that the country shows by itself. ``place_map``: a layer of Kibana's Maps, a grid
that becomes finer as one zooms in.
"""

from __future__ import annotations

from typing import Any, Final

from workshop_lib.charts.kibana.aggregations import ALL_LABELS, split
from workshop_lib.charts.kibana.charts import TIME_FIELD, Chart

#: Edge of a dot's tile: 360° / 2⁸ at the equator, about 120 km here.
DOT_PRECISION: Final = 8
#: So many states are named, those with most plays; in the north-east there is no room for all.
NAMED: Final = 30
#: At which scale Vega's picture of the United States is 960 × 600.
ALBERS_SCALE, ALBERS_WIDTH, ALBERS_HEIGHT = 1200, 960, 600
#: Where the map opens: all states but Alaska and Hawaii.
MIDDLE: Final = {"lat": 38.5, "lon": -96.0}
BLUE, GREY = "#54B399", "#98A2B3"


def _source(name: str, chart: Chart, aggregation: dict[str, Any], centre: str) -> dict[str, Any]:
    """A Vega data set: the buckets of a query that follows time range and filters."""
    return {
        "name": name,
        "url": {
            "index": chart.reads,
            "%context%": True,
            "%timefield%": TIME_FIELD[chart.reads],
            "body": {
                "size": 0,
                "aggs": {
                    name: {
                        **aggregation,
                        "aggs": {"middle": {"geo_centroid": {"field": "location"}}},
                    }
                },
            },
        },
        "format": {"property": f"aggregations.{name}.buckets"},
        "transform": [
            {"type": "filter", "expr": "datum.middle.location"},
            {
                "type": "geopoint",
                "projection": "country",
                "fields": [f"{centre}.lon", f"{centre}.lat"],
            },
            # What lies outside of the projection has no place on it.
            {"type": "filter", "expr": "isValid(datum.x) && isValid(datum.y)"},
        ],
    }


def state_map(chart: Chart) -> dict[str, Any]:
    """The Vega specification."""
    state = split(chart.splits[0]).field
    centre = "middle.location"
    place = {"x": {"field": "x"}, "y": {"field": "y"}}
    return {
        "$schema": "https://vega.github.io/schema/vega/v5.json",
        "autosize": {"type": "fit", "contains": "padding"},
        "projections": [
            {
                "name": "country",
                "type": "albersUsa",
                "scale": {
                    "signal": f"{ALBERS_SCALE} * min(width / {ALBERS_WIDTH},"
                    f" height / {ALBERS_HEIGHT})"
                },
                "translate": [{"signal": "width / 2"}, {"signal": "height / 2"}],
            }
        ],
        "data": [
            _source(
                "places",
                chart,
                {"geotile_grid": {"field": "location", "precision": DOT_PRECISION, "size": 10000}},
                centre,
            ),
            _source("states", chart, {"terms": {"field": state, "size": ALL_LABELS}}, centre),
            {
                "name": "named",
                "source": "states",
                "transform": [
                    {
                        "type": "window",
                        "sort": {"field": "doc_count", "order": "descending"},
                        "ops": ["row_number"],
                        "as": ["place"],
                    },
                    {"type": "filter", "expr": f"datum.place <= {NAMED}"},
                ],
            },
        ],
        "scales": [
            {
                "name": "area",
                "type": "linear",
                "domain": {"data": "states", "field": "doc_count"},
                "zero": True,
                "range": [0, {"signal": "width * height / 120"}],
            }
        ],
        "signals": [
            {
                "name": "chosen",
                "on": [
                    {
                        "events": "@circles:click",
                        "update": f"kibanaAddFilter({{match_phrase: {{{state}: datum.key}}}},"
                        f" '{chart.reads}')",
                    }
                ],
            }
        ],
        "marks": [
            {
                "type": "symbol",
                "from": {"data": "places"},
                "encode": {
                    "update": {**place, "size": {"value": 9}, "fill": {"value": GREY}},
                },
                "interactive": False,
            },
            {
                "name": "circles",
                "type": "symbol",
                "from": {"data": "states"},
                "encode": {
                    "update": {
                        **place,
                        "size": {"scale": "area", "field": "doc_count"},
                        "fill": {"value": BLUE},
                        "fillOpacity": {"value": 0.6},
                        "stroke": {"value": "white"},
                        "cursor": {"value": "pointer"},
                        "tooltip": {"signal": "{state: datum.key, plays: datum.doc_count}"},
                    }
                },
            },
            {
                "type": "text",
                "from": {"data": "named"},
                "encode": {
                    "update": {
                        **place,
                        "text": {"field": "key"},
                        "align": {"value": "center"},
                        "baseline": {"value": "middle"},
                        "fontSize": {"value": 11},
                    }
                },
                "interactive": False,
            },
        ],
    }


def place_map(chart: Chart) -> dict[str, Any]:
    """Attributes of the map but title and description."""
    count = {"name": "doc_count", "origin": "source"}
    whole_range = {"isEnabled": True, "sigma": 3}
    layer = {
        "id": "places",
        "label": "Plays",
        "type": "GEOJSON_VECTOR",
        "sourceDescriptor": {
            "id": "places",
            "type": "ES_GEO_GRID",
            "indexPatternRefName": "layer_0_source_index_pattern",
            "geoField": split(chart.splits[0]).field,
            "requestType": "point",
            "resolution": "COARSE",
            "metrics": [{"type": "count"}],
            "applyGlobalQuery": True,
            "applyGlobalTime": True,
            "applyForceRefresh": True,
        },
        "style": {
            "type": "VECTOR",
            "isTimeAware": True,
            "properties": {
                "icon": {"type": "STATIC", "options": {"value": "marker"}},
                "fillColor": {
                    "type": "DYNAMIC",
                    "options": {
                        "type": "ORDINAL",
                        "color": "Blues",
                        "field": count,
                        "fieldMetaOptions": whole_range,
                    },
                },
                "lineColor": {"type": "STATIC", "options": {"color": "#FFFFFF"}},
                "lineWidth": {"type": "STATIC", "options": {"size": 1}},
                "iconSize": {
                    "type": "DYNAMIC",
                    "options": {
                        "minSize": 7,
                        "maxSize": 32,
                        "field": count,
                        "fieldMetaOptions": whole_range,
                    },
                },
                "labelText": {"type": "DYNAMIC", "options": {"field": count}},
                "labelColor": {"type": "STATIC", "options": {"color": "#000000"}},
                "labelSize": {"type": "STATIC", "options": {"size": 12}},
                "labelBorderColor": {"type": "STATIC", "options": {"color": "#FFFFFF"}},
                "labelBorderSize": {"options": {"size": "SMALL"}},
                "symbolizeAs": {"options": {"value": "circle"}},
            },
        },
        "joins": [],
        "minZoom": 0,
        "maxZoom": 24,
        "alpha": 0.75,
        "visible": True,
        "includeInFitToBounds": True,
    }
    return {"layers": [layer], "state": {"zoom": 3.2, "center": MIDDLE}}
