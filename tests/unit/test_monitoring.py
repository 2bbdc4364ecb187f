"""What lies in deploy/: rules that are tested and explained, dashboards that Grafana reads, and how they are wired."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus import MISSING, find_promtool

SECONDS = {"s": 1, "m": 60, "h": 3600}


@pytest.fixture(scope="module")
def deploy(repository: Path) -> Path:
    return repository / "deploy"


def rules_in(deploy: Path) -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((deploy / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_prometheus_rule_says_what_to_do(deploy: Path) -> None:
    rules = rules_in(deploy)
    assert len(rules) > 20
    for name, rule in rules.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert rule["annotations"].keys() == {"summary", "action"}, name


@pytest.mark.timeout(120)
@pytest.mark.skipif(find_promtool() is None, reason=MISSING)
@pytest.mark.parametrize("file", ["alerts_test.yml", "alerts_capacity_test.yml", "alerts_slow_test.yml"])
def test_the_prometheus_rules_fire_and_clear_when_they_should(deploy: Path, file: str) -> None:
    command = [str(find_promtool()), "test", "rules", file]
    result = subprocess.run(command, cwd=deploy, capture_output=True, text=True, check=False, timeout=110)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_rule_is_tested_to_be_silent_first_then_to_fire_and_then_to_clear(deploy: Path) -> None:
    shown: Counter[str] = Counter()
    for file in deploy.glob("alerts*_test.yml"):
        for case in yaml.safe_load(file.read_text())["tests"]:
            checks: dict[str, list[bool]] = {}
            for check in sorted(case["alert_rule_test"], key=lambda check: in_seconds(check["eval_time"])):
                checks.setdefault(check["alertname"], []).append(bool(check["exp_alerts"]))
            shown.update(name for name, fires in checks.items() if fires == [False, True, False])
    assert set(shown) == set(rules_in(deploy))


def in_seconds(text: str) -> int:
    return int(text[:-1]) * SECONDS[text[-1]]


def test_every_rule_has_an_entry_in_the_runbook_and_every_entry_a_rule(repository: Path, deploy: Path) -> None:
    page = (repository / "docs" / "runbook.md").read_text()
    entries = {part.partition("\n")[0].strip(): part for part in page.split("\n### ")[1:]}
    rules = rules_in(deploy)
    assert set(entries) == set(rules)
    for name, entry in entries.items():
        for question in ("**Means.**", "**Look at.**", "**Do.**"):
            assert question in entry, f"{name}: {question}"
        assert f"`{rules[name]['labels']['severity']}`" in entry, name


def test_dashboards_name_the_data_source_that_is_provisioned(deploy: Path) -> None:
    grafana = deploy / "grafana"
    (source,) = yaml.safe_load((grafana / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    boards = [json.loads(file.read_text()) for file in sorted((grafana / "dashboards").glob("*.json"))]
    assert len({board["uid"] for board in boards}) == len(boards) == 4
    for board in boards:
        panels = board["panels"]
        assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
        for panel in panels:
            assert panel["title"] and panel["description"], panel["id"]
            named = {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])}
            assert named == {source["uid"]}, panel["title"]
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_panels_that_name_a_rule_name_one_that_there_is(deploy: Path) -> None:
    rules = rules_in(deploy)
    for file in (deploy / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            assert set(re.findall(r"\bEmdr\w+", panel["description"])) <= set(rules), panel["title"]


def test_compose_gives_grafana_what_it_is_provisioned_with(repository: Path, deploy: Path) -> None:
    services = yaml.safe_load((repository / "compose.yaml").read_text())["services"]
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    for ours in mounts:
        assert (repository / ours).is_dir(), ours
    (provider,) = yaml.safe_load((deploy / "grafana/provisioning/dashboards/dashboards.yml").read_text())["providers"]
    assert provider["options"]["path"] in mounts.values()
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (deploy / "grafana" / "dashboards" / home.name).is_file()
    (source,) = yaml.safe_load((deploy / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    scraped_every = yaml.safe_load((deploy / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped_every
