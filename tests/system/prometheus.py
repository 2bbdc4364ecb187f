"""A real Prometheus beside a running service: scrapes it each half second, answers queries, evaluates our rules."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.prometheus import MISSING, find_prometheus
from tests.system.service import Service, eventually, free_port

START_DEADLINE_S = 30.0
_EVERY = "500ms"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One server on a port of its own."""

    port: int

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self._get("/-/ready")[0] == 200
        return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression now. Raises AssertionError with Prometheus' own words when it is refused."""
        status, body = self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        answer = json.loads(body)
        assert (status, answer["status"]) == (200, "success"), f"{expression}: {answer.get('error', status)}"
        assert not answer.get("warnings"), f"{expression}: {answer['warnings']}"
        result = answer["data"]["result"]
        assert isinstance(result, list)
        return result

    def value(self, expression: str) -> float | None:
        """The only sample's value; None without one."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        """Names of the rules that fire now."""
        alerts = json.loads(self._get("/api/v1/alerts")[1])["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()


@contextlib.contextmanager
def prometheus(service: Service, rules: Path, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `service` as deploy/prometheus.yml does, only faster."""
    running = Prometheus(free_port())
    configuration = yaml.safe_load((rules.parent / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": _EVERY, "evaluation_interval": _EVERY}
    configuration["rule_files"] = [str(rules)]
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{service.port}"]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    program = find_prometheus()
    assert program is not None, MISSING
    command = [str(program), f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{running.port}", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        assert eventually(lambda: running.ready() or process.poll() is not None, START_DEADLINE_S)
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        yield running
    finally:
        process.terminate()
        process.wait(20)
