"""What the repository promises about its own installation: one version, hashed locks, files that tools accept."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import emdr_stream
from emdr_stream.browser.assets import read_assets

LOCKS = ("requirements.lock", "requirements-core.lock", "requirements-dev.lock")
TOOLS = Path(sys.executable).parent
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+?)(?: ; (.*?))?(?: \\)?$", re.MULTILINE)


def pins(lock: Path) -> dict[tuple[str, str], str]:
    """Version by (name, marker)."""
    return {(name, marker): version for name, version, marker in PINNED.findall(lock.read_text())}


def names(lock: Path) -> set[str]:
    return {name for name, _ in pins(lock)}


def canonical(requirement: str) -> str:
    return Requirement(requirement).name.lower().replace("_", "-")


@pytest.fixture(scope="module")
def pyproject(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


def run(*command: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_the_installed_version_is_the_one_in_the_package() -> None:
    assert importlib.metadata.version("emdr-stream") == emdr_stream.__version__


def test_the_changelog_describes_this_version(repository: Path) -> None:
    assert f"## [{emdr_stream.__version__}]" in (repository / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash_and_no_address(repository: Path, lock: str) -> None:
    lines = (repository / lock).read_text().splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert not re.search(r"://|^-|\s@\s|file:", line), line
        if not line.startswith((" ", "#")):
            assert PINNED.match(line), line
            assert following.strip().startswith("--hash=sha256:"), line


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_holds_a_second_opencv_or_torch(repository: Path, lock: str) -> None:
    assert not names(repository / lock) & {"opencv-contrib-python", "opencv-python", "torch"}


def test_the_locks_agree_on_every_version(repository: Path) -> None:
    """Markers may differ: what one lock needs on some platforms only, a larger one may need on all."""
    locks = (pins(repository / f"requirements{part}.lock") for part in ("-core", "", "-dev"))
    core, service, everything = ({(name, version) for (name, _), version in lock.items()} for lock in locks)
    assert core <= service <= everything


def test_the_locks_hold_what_the_project_asks_for(repository: Path, pyproject: dict[str, Any]) -> None:
    project, groups = pyproject["project"], pyproject["dependency-groups"]
    extras = project["optional-dependencies"]
    core = {canonical(each) for each in [*project["dependencies"], *groups["build"]]}
    webcam = {canonical(each) for each in extras["webcam"]}
    rest = {canonical(each) for each in [*extras["training"], *extras["export"], *groups["dev"]]}
    assert core <= names(repository / "requirements-core.lock")
    assert core | webcam <= names(repository / "requirements.lock")
    assert core | webcam | rest <= names(repository / "requirements-dev.lock")


def test_a_wheel_carries_migrations_models_browser_files_and_the_command(repository: Path, tmp_path: Path) -> None:
    result = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, folder=repository)
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        commands = archive.read(next(name for name in held if name.endswith("entry_points.txt"))).decode()
    assert "emdr-stream = emdr_stream.__main__:main" in commands
    for source in (repository / "emdr_stream").rglob("*.sql"):
        assert source.relative_to(repository).as_posix() in held
    assert {f"emdr_stream/browser/{address}" for address in read_assets()} <= held
    for model in (repository / "models").rglob("*.onnx"):
        assert f"emdr_stream/_models/{model.relative_to(repository / 'models').as_posix()}" in held
    assert {name.split("/")[0] for name in held} <= {"emdr_stream", wheel.name.split("-py3")[0] + ".dist-info"}


def test_make_help_lists_every_target(repository: Path) -> None:
    listed = run("make", "help", folder=repository).stdout
    for target in ("setup", "serve", "test", "verify", "fmt", "check", "bench", "docs", "train", "notebooks"):
        assert f"make {target}" in listed


def test_make_says_what_to_do_without_a_new_python(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    make = shutil.which("make")
    assert make is not None
    result = run(make, f"VENV={tmp_path / 'venv'}", "setup", folder=repository, PATH=str(folder))
    assert result.returncode != 0
    assert "no Python 3.11 or newer" in result.stderr


def test_the_dockerfile_passes_hadolint(repository: Path) -> None:
    result = run(TOOLS / "hadolint", "Dockerfile", folder=repository)
    assert result.returncode == 0, result.stdout


def compose(repository: Path, tmp_path: Path, secrets: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(repository / "compose.yaml", tmp_path)
    (tmp_path / ".env").write_text(secrets)
    return run(TOOLS / "docker-compose", "config", folder=tmp_path)


def test_compose_starts_the_service_its_stores_prometheus_and_grafana(repository: Path, tmp_path: Path) -> None:
    secrets = "EMDR_POSTGRES_PASSWORD=one\nEMDR_REDIS_PASSWORD=two\nEMDR_TOKEN_KEY=three\nEMDR_GRAFANA_PASSWORD=four\n"
    result = compose(repository, tmp_path, secrets)
    assert result.returncode == 0, result.stderr
    services = yaml.safe_load(result.stdout)["services"]
    assert set(services) == {"service", "redis", "postgres", "prometheus", "grafana"}
    assert "--appendonly yes" in " ".join(services["redis"]["command"])


def test_compose_names_a_password_that_is_not_set(repository: Path, tmp_path: Path) -> None:
    result = compose(
        repository, tmp_path, "EMDR_REDIS_PASSWORD=two\nEMDR_TOKEN_KEY=three\nEMDR_GRAFANA_PASSWORD=four\n"
    )
    assert result.returncode != 0
    assert "EMDR_POSTGRES_PASSWORD" in result.stderr


def test_prometheus_scrapes_the_service_that_compose_starts(repository: Path) -> None:
    scrape = yaml.safe_load((repository / "deploy" / "prometheus.yml").read_text())["scrape_configs"][0]
    services = yaml.safe_load((repository / "compose.yaml").read_text())["services"]
    host, port = scrape["static_configs"][0]["targets"][0].split(":")
    assert services[host]["environment"]["EMDR_PORT"] == port
