"""What dashboards show and rules watch, asked of a real Prometheus that scrapes the real service."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus import MISSING, find_prometheus
from tests.system.faces import Mood, camera, until_known
from tests.system.hanging import hung
from tests.system.prometheus import Prometheus, prometheus
from tests.system.service import Service, eventually, service
from tests.system.sockets import of_type, stream, watch

pytestmark = [
    pytest.mark.system,
    pytest.mark.anyio,
    pytest.mark.skipif(find_prometheus() is None, reason=MISSING),
]

OF_PROMETHEUS = {"up", "ALERTS"}
"""What Prometheus itself adds to what it scrapes."""
_NAME = re.compile(r"\b(emdr_[a-z_]+|process_[a-z_]+|up|ALERTS)\b(?!\()")
_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|on|ignoring|group_left|group_right)\s*\([^)]*\)")


def panels(repository: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel of every dashboard, with a name to be found by."""
    files = sorted((repository / "deploy" / "grafana" / "dashboards").glob("*.json"))
    assert len(files) == 4
    for file in files:
        for panel in json.loads(file.read_text())["panels"]:
            yield f"{file.stem}: {panel['title']}", panel


def expressions(repository: Path) -> dict[str, str]:
    """Every expression of every panel, as Grafana sends it."""
    found = {}
    for name, panel in panels(repository):
        for target in panel["targets"]:
            found[f"{name} ({target['refId']})"] = target["expr"].replace("$__rate_interval", "20s")
    assert len(found) > 60
    return found


def rules(repository: Path) -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((repository / "deploy" / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def names_in(expression: str) -> set[str]:
    """The series that an expression names, labels left out."""
    return set(_NAME.findall(_LABELS.sub(" ", expression)))


class Exposed:
    """What the service's own text of `/metrics` holds, by the name of a series."""

    def __init__(self, text: str) -> None:
        self.declared: set[str] = set()
        self.labels: dict[str, set[str]] = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, family, kind = line.split(" ")
                base = family if kind != "counter" else family.removesuffix("_total") + "_total"
                self.declared |= {base} if kind != "histogram" else {base + s for s in ("_bucket", "_count", "_sum")}
            elif not line.startswith("#"):
                name = line.partition("{")[0].partition(" ")[0]
                self.labels.setdefault(name, set()).update(re.findall(r'(\w+)="', line))

    def may_be_empty(self, expression: str) -> bool:
        """Whether a series in it has no sample yet, as drift has none before enough sessions were seen."""
        return any(name not in self.labels for name in names_in(expression) - OF_PROMETHEUS)


async def make_traffic(running: Service) -> None:
    """A session with a crisis, a pause that is confirmed, and an alert that is acknowledged."""
    async with (
        watch(running, "seen", sub="therapist") as console,
        stream(running, "seen") as client,
        camera(client) as shown,
    ):
        await until_known(client)
        shown.mood = Mood.PANIC
        await client.wait_for("control.pause", within_s=15.0)
        alert = await console.wait_for("alert")
        await console.send("ack", id="ack", alert_id=alert["alert_id"])
        await console.wait_for(of_type("done", re="ack"))
        await asyncio.sleep(2.5)  # counters must move between two scrapes that Prometheus has made


@pytest.fixture(scope="module")
def watched(repository: Path, plain: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus(plain, repository / "deploy" / "alerts.yml", tmp_path_factory.mktemp("prometheus")) as server:
        assert eventually(lambda: server.value('sum(up{job="emdr-stream"})') == 1, 20)
        yield server


async def test_every_expression_of_every_panel_runs_and_shows_what_the_service_has(
    repository: Path, plain: Service, watched: Prometheus
) -> None:
    await make_traffic(plain)
    exposed = Exposed(plain.get("/metrics")[2].decode())
    empty = []
    for name, expression in expressions(repository).items():
        unknown = names_in(expression) - OF_PROMETHEUS - exposed.declared
        assert not unknown, f"{name}: the service has no {', '.join(sorted(unknown))}"
        assert names_in(expression), f"{name} names no series"
        told = await asyncio.to_thread(watched.query, expression)
        if not told and not exposed.may_be_empty(expression):
            empty.append(name)
    # While nothing fires, Prometheus has no series that says so.
    assert empty == ["alerts: Firing rules (A)"]


async def test_panels_group_and_choose_by_labels_that_the_service_gives(repository: Path, plain: Service) -> None:
    exposed = Exposed(plain.get("/metrics")[2].decode())
    of_prometheus = {"alertname", "severity", "alertstate", "job", "instance", "worker"}
    for name, expression in expressions(repository).items():
        used = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
        used |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
        given = set().union(*(exposed.labels.get(series, used) for series in names_in(expression) - OF_PROMETHEUS))
        assert used <= given | of_prometheus, name


async def test_the_figures_are_those_of_the_service(plain: Service, watched: Prometheus) -> None:
    await make_traffic(plain)
    text = plain.get("/metrics")[2].decode()
    raised = sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("emdr_alerts_total{"))
    assert raised >= 1
    assert await asyncio.to_thread(eventually, lambda: watched.value("sum(emdr_alerts_total)") == raised, 10)
    assert watched.value("min(emdr_store_up)") == 1


async def test_every_rule_names_series_that_the_service_has(repository: Path, plain: Service) -> None:
    exposed = Exposed(plain.get("/metrics")[2].decode())
    for name, rule in rules(repository).items():
        assert names_in(rule["expr"]), name
        assert names_in(rule["expr"]) <= exposed.declared | OF_PROMETHEUS, name


@pytest.mark.timeout(180)
async def test_a_store_that_hangs_fires_its_rule_for_real_and_the_rule_clears_when_it_answers_again(
    repository: Path, tmp_path: Path
) -> None:
    with service() as own, prometheus(own, repository / "deploy" / "alerts.yml", tmp_path) as server:

        async def within(condition: Callable[[], bool]) -> bool:
            return await asyncio.to_thread(eventually, condition, 60)

        assert await within(lambda: server.value('emdr_store_up{store="postgres"}') == 1)
        assert "EmdrStoreAway" not in server.firing()
        async with hung(own, "postgres"):
            assert await within(lambda: "EmdrStoreAway" in server.firing())
            assert server.value('emdr_store_up{store="redis"}') == 1
            assert "EmdrServiceDown" not in server.firing()
        assert await within(lambda: "EmdrStoreAway" not in server.firing())


@pytest.mark.timeout(180)
async def test_an_alert_that_nobody_acknowledges_calls_the_operator_after_its_session_and_a_restart_too(
    repository: Path, tmp_path: Path
) -> None:
    # The real rule, with less patience. It read a gauge that went to 0 with the session.
    rule = (repository / "deploy" / "alerts.yml").read_text()
    hasty = rule.replace('{severity="high"}) > 90', '{severity="high"}) > 5').replace("for: 10s", "for: 1s")
    assert hasty.count("> 5") == 1 and hasty.count("for: 1s\n") == 1
    (tmp_path / "alerts.yml").write_text(hasty)
    (tmp_path / "prometheus.yml").write_text((repository / "deploy" / "prometheus.yml").read_text())
    (tmp_path / "server").mkdir()
    oldest = 'max(emdr_alerts_oldest_unacknowledged_seconds{severity="high"})'
    with service() as own:
        async with stream(own, "left-alone") as client:
            await client.send("stop")
            await client.wait_for("control.pause")
            await client.send("bye")
            await client.wait_for("ended")
        own.terminate()
        assert own.wait() == 0
        own.start()
        with prometheus(own, tmp_path / "alerts.yml", tmp_path / "server") as server:

            async def within(condition: Callable[[], bool]) -> bool:
                return await asyncio.to_thread(eventually, condition, 60)

            assert await within(lambda: "EmdrAlertsUnacknowledged" in server.firing())
            assert (server.value(oldest) or 0.0) > 5
            async with watch(own, "left-alone", sub="therapist") as console:
                alert = await console.wait_for("alert")
                await console.send("ack", id="ack", alert_id=alert["alert_id"])
                await console.wait_for(of_type("done", re="ack"))
            assert await within(lambda: server.value(oldest) == 0 and "EmdrAlertsUnacknowledged" not in server.firing())
