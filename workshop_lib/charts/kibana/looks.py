"""How each kind of chart looks: ``visState.type`` and ``visState.params``.

In: a chart and its metrics. Out: what Kibana's editor calls options: axes, legend, labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from workshop_lib.charts.kibana.aggregations import label, split
from workshop_lib.charts.kibana.charts import Chart

Params = dict[str, Any]
_LEGEND: Final[Params] = {
    "addTooltip": True,
    "legendPosition": "right",
    "truncateLegend": True,
    "maxLegendLines": 1,
    "palette": {"type": "palette", "name": "default"},
}


def _axes(series: str, upright: bool) -> Callable[[Chart, list[Params]], Params]:
    def params(chart: Chart, metrics: list[Params]) -> Params:
        names = [each["params"]["customLabel"] for each in metrics]
        sides = ("bottom", "left") if upright else ("left", "bottom")
        return {
            **_LEGEND,
            "type": series,
            "addLegend": len(chart.splits) > 1 or len(names) > 1,
            "legendSize": "auto",
            "detailedTooltip": True,
            "grid": {"categoryLines": False},
            "categoryAxes": [
                {
                    "id": "CategoryAxis-1",
                    "type": "category",
                    "position": sides[0],
                    "show": True,
                    "scale": {"type": "linear"},
                    "labels": {"show": True, "filter": True, "truncate": 100, "rotate": 0},
                    "title": {"text": label(split(chart.splits[0]).field)},
                    "style": {},
                }
            ],
            "valueAxes": [
                {
                    "id": "ValueAxis-1",
                    "name": "LeftAxis-1" if upright else "BottomAxis-1",
                    "type": "value",
                    "position": sides[1],
                    "show": True,
                    "scale": {"type": "linear", "mode": "normal"},
                    "labels": {"show": True, "rotate": 0, "filter": not upright, "truncate": 100},
                    "title": {"text": ", ".join(names)},
                    "style": {},
                }
            ],
            "seriesParams": [
                {
                    "show": True,
                    "type": series,
                    "mode": "normal" if series == "line" else "stacked",
                    "data": {"id": each["id"], "label": name},
                    "valueAxis": "ValueAxis-1",
                    "drawLinesBetweenPoints": True,
                    "lineWidth": 2,
                    "interpolate": "linear",
                    "showCircles": series == "line",
                    "circlesRadius": 2,
                }
                for each, name in zip(metrics, names, strict=True)
            ],
            "times": [],
            "addTimeMarker": False,
            "labels": {"show": False},
            "thresholdLine": {
                "show": chart.limit is not None,
                "value": 0 if chart.limit is None else chart.limit,
                "width": 2,
                "style": "dashed",
                "color": "#E7664C",
            },
        }

    return params


def _pie(chart: Chart, metrics: list[Params]) -> Params:
    return {
        **_LEGEND,
        "type": "pie",
        "legendDisplay": "show",
        "legendSize": "auto",
        "nestedLegend": False,
        "distinctColors": False,
        "isDonut": True,
        "emptySizeRatio": 0.3,
        "labels": {
            "show": True,
            "values": True,
            "last_level": False,
            "valuesFormat": "percent",
            "percentDecimals": 1,
            "truncate": 100,
            "position": "default",
        },
    }


def _table(chart: Chart, metrics: list[Params]) -> Params:
    return {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
        "showToolbar": True,
        "autoFitRowToContent": False,
    }


def _metric(chart: Chart, metrics: list[Params]) -> Params:
    return {
        "type": "metric",
        "addTooltip": True,
        "addLegend": False,
        "metric": {
            "percentageMode": False,
            "useRanges": False,
            "colorSchema": "Green to Red",
            "metricColorMode": "None",
            "colorsRange": [{"from": 0, "to": 10000}],
            "labels": {"show": True},
            "invertColors": False,
            "style": {
                "bgFill": "#000",
                "bgColor": False,
                "labelColor": False,
                "subText": "",
                "fontSize": 36,
            },
        },
    }


class Look(NamedTuple):
    """``places``: what the splits are to Kibana, the last one as often as there are more."""

    type: str
    places: tuple[str, ...]
    params: Callable[[Chart, list[Params]], Params]


LOOKS: Final = {
    "metric": Look("metric", (), _metric),
    "bars": Look("histogram", ("segment", "group"), _axes("histogram", upright=True)),
    "rows": Look("horizontal_bar", ("segment", "group"), _axes("histogram", upright=False)),
    "line": Look("line", ("segment", "group"), _axes("line", upright=True)),
    "pie": Look("pie", ("segment",), _pie),
    "table": Look("table", ("bucket",), _table),
}
