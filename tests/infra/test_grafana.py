"""Dashboard and alerts ask only for metrics and labels that the service shows, in true PromQL."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.contracts.event_examples import ENDED, STARTED
from tests.test_metrics import answered, metrics_of

GRAFANA = Path(__file__).parents[2] / "infra" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((GRAFANA / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OF_THE_SCRAPE = {"job", "instance"}
"""Labels that Prometheus adds."""
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
}


def shown() -> dict[str, set[str]]:
    """The labels of every series on the page, by its name."""
    body, _ = metrics_of(STARTED, answered(), ENDED).page("")
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


SHOWN = shown()


def parts_of(expression: str) -> Iterator[Any]:
    """The node itself and all below it."""
    filled = expression.replace("$__rate_interval", "5m").replace("$job", "a-job")
    waiting = [promql.parse(filled)]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
            if (child := getattr(node, name, None)) is not None:
                waiting.append(child)
        waiting.extend(getattr(node, "args", ()))


def selectors_of(expression: str) -> list[Any]:
    return [node for node in parts_of(expression) if isinstance(node, promql.VectorSelector)]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_expression_asks_for_what_there_is(name: str):
    selectors = selectors_of(EXPRESSIONS[name])

    assert selectors
    for selector in selectors:
        assert selector.name in SHOWN
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= SHOWN[selector.name] | OF_THE_SCRAPE


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_sum_is_by_labels_that_there_are(name: str):
    expression = EXPRESSIONS[name]
    labels = set().union(*(SHOWN[selector.name] for selector in selectors_of(expression)))

    for node in parts_of(expression):
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            assert set(node.modifier.labels) <= labels | OF_THE_SCRAPE


def test_the_check_finds_a_metric_that_does_not_exist():
    (selector,) = selectors_of('sum by (no) (rate(bridge_no_such_total{cause="x"}[5m]))')

    assert selector.name == "bridge_no_such_total"
    assert selector.name not in SHOWN


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_says_what_it_shows(panel: dict[str, Any]):
    assert panel["description"].endswith(".")
    assert panel["targets"]
    assert all(target["legendFormat"] for target in panel["targets"])
    for target in panel["targets"]:
        assert {"job"} <= {
            matcher.name
            for selector in selectors_of(target["expr"])
            for matcher in selector.matchers.matchers
        }


def test_panels_have_places_of_their_own():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_metric_of_ours_is_looked_at():
    """What nobody looks at need not be counted."""
    asked = {
        selector.name
        for expression in EXPRESSIONS.values()
        for selector in selectors_of(expression)
    }
    stems = {
        name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in asked
    }
    ours = {
        name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        for name in SHOWN
        if name.startswith("bridge_") and not name.endswith("_created")
    }

    assert ours - stems == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]):
    assert rule["labels"]["severity"] in ("page", "warn", "info")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
