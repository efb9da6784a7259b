"""Dashboard, alerts and scrape: they speak of metrics and labels that exist, and point at pages that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.exposition import METRICS
from gateway.settings import Settings
from tests.unit.docker.test_docker import DOCKER, ROOT, SECRETS, compose

OBSERVERS = {"prometheus", "grafana", "traces"}
DASHBOARD = json.loads((DOCKER / "grafana" / "dashboards" / "weighbridge.json").read_text())
RULES = yaml.safe_load((DOCKER / "prometheus" / "rules.yml").read_text())
SCRAPE = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
TARGET_LABELS = {"job", "instance"}
"""What a scrape adds."""


def exposed() -> dict[str, set[str]]:
    """Every name that a scrape knows, with its labels."""
    found: dict[str, set[str]] = {"up": set()}
    for metric, (kind, _, labels) in METRICS.items():
        name = f"weighbridge_{metric}"
        if kind == "histogram":
            found |= {f"{name}_sum": {*labels}, f"{name}_count": {*labels}, f"{name}_bucket": {*labels, "le"}}
        else:
            found[f"{name}_total" if kind == "counter" else name] = {*labels}
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str, str]]:
    """Where, what, and the text that shows what comes of it."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for rule in ALERTS:
        yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values())


def metrics_of(expression: str) -> dict[str, set[str]]:
    """The metrics of an expression with the labels that are asked of each."""
    found: dict[str, set[str]] = {}
    for name, selector in re.findall(r"\b(weighbridge_\w+|up)\b(?:\{([^}]*)\})?", expression):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]", selector))
    return found


@pytest.mark.parametrize(("where", "expression", "shown"), list(expressions()))
def test_what_is_asked_is_exposed(where: str, expression: str, shown: str) -> None:
    known = exposed()
    asked = metrics_of(expression)
    assert asked, where
    assert asked.keys() <= known.keys()
    labels = {label for name in asked for label in known[name]} | TARGET_LABELS
    for name, selected in asked.items():
        assert selected <= known[name] | TARGET_LABELS, name
    grouped = {label.strip() for by in re.findall(r"\bby \(([^)]*)\)", expression) for label in by.split(",")}
    assert grouped <= labels
    told = {*re.findall(r"\{\{(\w+)\}\}", shown), *re.findall(r"\$labels\.(\w+)", shown)}
    # what is grouped away cannot be told
    assert told <= (grouped or labels)


@pytest.mark.parametrize(("where", "expression", "shown"), list(expressions()))
def test_counters_are_asked_for_their_rate_and_gauges_are_not(where: str, expression: str, shown: str) -> None:
    rated = set(re.findall(r"(?:rate|increase)\((weighbridge_\w+)", expression))
    for name in metrics_of(expression):
        grows = name.endswith(("_total", "_sum", "_count", "_bucket"))
        assert (name in rated) is grows, f"{where}: {name}"


def test_every_metric_is_shown_or_watched() -> None:
    asked = {name for _, expression, _ in expressions() for name in metrics_of(expression)}
    missing = {
        metric
        for metric in METRICS
        if not any(f"weighbridge_{metric}{end}" in asked for end in ("", "_total", "_sum", "_count", "_bucket"))
    }
    assert missing == set()


def test_every_alert_points_at_what_to_do() -> None:
    guide = (ROOT / "docs" / "guides" / "on-call.md").read_text()
    sections = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^## (.*)$", guide, re.M)
    }
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS) > 10
    for rule in ALERTS:
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/guides/on-call.md"
        assert section in sections, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket", "info")
        assert rule["annotations"]["summary"].endswith(".")


def test_the_alerts_that_wait_say_how_long() -> None:
    for rule in ALERTS:
        counted = "increase(" in rule["expr"]
        assert counted or re.fullmatch(r"\d+m", rule.get("for", "")), f"{rule['alert']} fires on a single scrape"


def test_the_dashboard_can_be_provisioned() -> None:
    assert DASHBOARD["uid"] == "weighbridge"
    assert "id" not in DASHBOARD  # Grafana gives its own
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len(panel["description"]) > 10
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
            assert target["expr"].count("{") == target["expr"].count("}")
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"]))) - {"__rate_interval"}
    assert used == names
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            ((metric, label),) = re.findall(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert label in exposed()[metric] | TARGET_LABELS


# -- how they run --


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    read = compose("--format", "json", secrets={**SECRETS, "COMPOSE_PROFILES": "observe"})
    assert (read.returncode, read.stderr) == (0, "")
    found: dict[str, Any] = json.loads(read.stdout)["services"]
    return found


def test_they_are_there_only_when_asked_for(services: dict[str, Any]) -> None:
    assert services.keys() >= OBSERVERS
    plain = json.loads(compose("--format", "json", secrets=SECRETS).stdout)["services"]
    assert services.keys() - plain.keys() == OBSERVERS


def test_they_may_do_little_and_are_reached_from_this_machine_only(services: dict[str, Any]) -> None:
    for name in OBSERVERS:
        service = services[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port["host_ip"] == "127.0.0.1" for port in service["ports"])
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), "an image without a number changes by itself"
        for volume in service.get("volumes", ()):
            assert volume["type"] == "volume" or volume["read_only"]
    grafana = services["grafana"]["environment"]
    assert (grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"], grafana["GF_AUTH_DISABLE_LOGIN_FORM"]) == ("Viewer", "true")


def test_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    mounted = {
        volume["target"]: Path(volume["source"])
        for name in OBSERVERS
        for volume in services[name].get("volumes", ())
        if volume["type"] == "bind"
    }
    assert (mounted["/etc/prometheus"] / "prometheus.yml").is_file()
    assert all((mounted["/etc/prometheus"] / name).is_file() for name in SCRAPE["rule_files"])
    provider = yaml.safe_load((mounted["/etc/grafana/provisioning"] / "dashboards" / "weighbridge.yaml").read_text())
    assert (mounted[provider["providers"][0]["options"]["path"]] / "weighbridge.json").is_file()
    sources = yaml.safe_load((mounted["/etc/grafana/provisioning"] / "datasources" / "weighbridge.yaml").read_text())
    default = DASHBOARD["templating"]["list"][0]["current"]["value"]
    assert [source["uid"] for source in sources["datasources"] if source.get("isDefault")] == [default]
    hosts = {source["url"].split("//")[1].split(":")[0] for source in sources["datasources"]}
    assert hosts <= services.keys()


def test_every_gateway_is_scraped_at_its_operators_door(services: dict[str, Any]) -> None:
    (job,) = SCRAPE["scrape_configs"]
    targets = job["static_configs"][0]["targets"]
    port = Settings.model_fields["admin_port"].default
    assert targets == [f"{name}:{port}" for name in sorted(services) if name.startswith("gateway-")]
    assert any(f'job="{job["job_name"]}"' in rule["expr"] for rule in ALERTS)
    for name in (*OBSERVERS, "gateway-1", "gateway-2"):
        assert "front" in services[name]["networks"]
