"""In: a measured version of a model and where runs are kept. Out: a run in MLflow, and the version registered there.

Without a server the runs stand in one SQLite file. Tracking never costs a training its result: what goes wrong with it
is a warning.
"""

import json
import logging
import os
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from emdr_stream.inference.manifest import MANIFEST
from training.config import TrainingConfig

_LOG: Final = logging.getLogger(__name__)

VARIABLE: Final = "MLFLOW_TRACKING_URI"
NOWHERE: Final = "none"
"""Said instead of an address: nothing is recorded."""
EXPERIMENT: Final = "emdr_stream"
DEFAULT_FILE: Final = Path("mlruns.db")
_LONGEST: Final = 500
"""MLflow takes parameters of so many characters."""


def tracking_uri(given: str | None, folder: Path) -> str:
    """What `--tracking` says, else MLFLOW_TRACKING_URI, else a SQLite file in `folder`."""
    return given or os.environ.get(VARIABLE) or f"sqlite:///{(folder / DEFAULT_FILE).resolve()}"


def record(version_dir: Path, config: TrainingConfig, uri: str) -> bool:
    """Log parameters, metrics and the files of `version_dir`, and register the version. False after a warning."""
    try:
        _record(version_dir, config, uri)
    except Exception as problem:  # whatever MLflow, its database or its server may raise
        told = str(problem).replace(uri, _shown(uri))
        _LOG.warning("the run was not recorded at %s: %s; the model itself is complete", _shown(uri), told)
        return False
    return True


def _record(version_dir: Path, config: TrainingConfig, uri: str) -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing of a training leaves this machine unasked
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    manifest = json.loads((version_dir / MANIFEST).read_text(encoding="utf-8"))
    name, version = str(manifest["name"]), str(manifest["version"])
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT, _artifacts(uri))
    with _run(client, number, f"{name} {version}") as run_id:
        for key, value in flattened(asdict(config)).items():
            client.log_param(run_id, key, str(value)[:_LONGEST])
        for key, value in flattened(manifest["metrics"]).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                client.log_metric(run_id, key, float(value))
        client.set_tag(run_id, "sha256", manifest["sha256"])
        client.set_tag(run_id, "command", manifest["training"]["command"])
        client.log_artifacts(run_id, str(version_dir), name)
    try:
        client.create_registered_model(name)
    except MlflowException as known:
        if known.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = client.get_run(run_id).info.artifact_uri
    client.create_model_version(name, f"{source}/{name}", run_id, tags={"version": version})


@contextmanager
def _run(client: Any, experiment: str, name: str) -> Any:
    """A run that ends as finished, or as failed when something is raised."""
    run_id = client.create_run(experiment, run_name=name).info.run_id
    try:
        yield run_id
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)


def flattened(nested: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Nested names joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _artifacts(uri: str) -> str | None:
    """Where a new experiment keeps its files: beside the SQLite file; a server knows by itself."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()


def _shown(uri: str) -> str:
    """The address without what may stand in it before an @."""
    scheme, mark, rest = uri.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
