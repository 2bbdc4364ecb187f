"""A models folder in, a table of every version out: which is in use, the targets it misses, how far it has drifted."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from rich.markup import escape

from emdr_stream.cli.command import console, table
from emdr_stream.cli.database import database
from emdr_stream.cli.model_steps import Registry
from emdr_stream.embedded import running_stores
from emdr_stream.environment import Environment, data_dir_of, database_url_of
from emdr_stream.errors import EmdrError, ModelRefused
from emdr_stream.evaluation.gates import gates
from emdr_stream.inference.lives import Step, Trial, read_history, read_trials, untold, whose_decision
from emdr_stream.inference.manifest import Manifest, current_versions, read_manifest, versions_of
from emdr_stream.inference.promotion import wanted_of
from emdr_stream.store.model_events import DriftRow, newest_drift
from emdr_stream.store.postgres import PostgresStore

_PATIENCE_S: Final = 2.0
_DRIFT_MS: Final = 24 * 3_600_000
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Listed:
    """One version. `missed`: sentences on targets. `accepted`: of one in use, whose decision that was.

    `age_days`: since its training where the manifest tells, otherwise since its file was written here.
    """

    model: str
    version: str
    standing: str
    sha256: str
    age_days: float | None
    reached: int
    targets: int
    missed: tuple[str, ...]
    accepted: str
    drift: str
    problem: str | None = None


def listed(models_dir: Path, drift: dict[tuple[str, str], DriftRow] | None) -> list[Listed]:
    """Every version in the folder. `drift`: newest rows by model and version; None where they cannot be had."""
    in_use, trials, history = current_versions(models_dir), read_trials(models_dir), read_history(models_dir)
    names = sorted(set(in_use) | {path.parent.parent.name for path in models_dir.glob("*/*/manifest.json")})
    return [
        _listed(models_dir, name, version, in_use, trials, history, drift)
        for name in names
        for version in versions_of(models_dir, name)
    ]


def _listed(
    models_dir: Path,
    name: str,
    version: str,
    in_use: dict[str, str],
    trials: dict[str, Trial],
    history: list[Step],
    drift: dict[tuple[str, str], DriftRow] | None,
) -> Listed:
    standing = _standing(version, in_use.get(name), trials.get(name, Trial()))
    try:
        manifest = read_manifest(models_dir / name / version)
    except ModelRefused as refused:
        return Listed(name, version, standing, "", None, 0, 0, (), "", "", str(refused))
    wanted = wanted_of(name, manifest)
    results = gates(manifest.metrics, wanted)
    return Listed(
        name,
        version,
        standing,
        manifest.sha256[:12],
        _age_days(models_dir / name / version, manifest),
        sum(result.passed for result in results),
        len(results),
        tuple(result.why for result in results if not result.passed),
        whose_decision(history, name, version) if in_use.get(name) == version else "",
        drift_words(manifest, None if drift is None else drift.get((name, version)), known=drift is not None),
    )


def drift_words(manifest: Manifest, row: DriftRow | None, *, known: bool = True) -> str:
    """How far a version has drifted, in words."""
    if manifest.reference is None:
        return "no reference"
    if not known:
        return "database not reached"
    if row is None:
        return "nothing seen yet"
    fields = row.fields
    if fields.get("inputs") is None:
        return f"{fields['sessions']:.0f} of {fields['least_sessions']} sessions seen"
    over = [what for what in ("inputs", "outputs") if fields[what] > fields[f"{what}_limit"]]
    told = f"inputs {fields['inputs']:.2f}, outputs {fields['outputs']:.2f}"
    return f"{told} ({' and '.join(over)} beyond the limit)" if over else told


def read_drift(environment: Environment, *, start: bool = False) -> dict[tuple[str, str], DriftRow] | None:
    """Newest rows of drift by model and version, from a database that runs; None where none answers."""
    runs = database_url_of(environment) is not None or running_stores(data_dir_of(environment)) is not None
    if not (runs or start):
        return None
    try:
        return asyncio.run(_read_drift(environment))
    except (EmdrError, OSError):
        return None


async def _read_drift(environment: Environment) -> dict[tuple[str, str], DriftRow]:
    async with database(environment) as url:
        store = PostgresStore(url, timeout_s=_PATIENCE_S, connections=1)
        try:
            found = await store.ask(newest_drift(int(time.time() * 1_000) - _DRIFT_MS))
        finally:
            await store.aclose()
    return {(row.model, row.version): row for row in found}


def run(registry: Registry, *, as_json: bool) -> int:
    """Print the table. Raises ModelRefused for a folder that is none of models."""
    found = listed(registry.models_dir, read_drift(registry.environment))
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return 0
    grid = table(["model", "version", "", "sha256", "age", "targets", "drift", "whose decision"])
    for each in found:
        grid.add_row(*map(escape, _row(each)))
    out = console()
    out.print(str(registry.models_dir), markup=False)
    out.print(grid)
    for each in found:
        if each.standing and (each.missed or each.problem):
            out.print(f"\n{each.model} {each.version} ({each.standing}) misses:", markup=False)
            for why in (each.problem,) if each.problem else each.missed:
                out.print(f"  - {why}", markup=False)
    owed = untold(registry.models_dir, read_history(registry.models_dir))
    if owed:
        out.print(f"\n{len(owed)} of the steps here are not in the audit log yet: the next step tells it", markup=False)
    return 0


def _row(each: Listed) -> tuple[str, ...]:
    targets = f"{each.reached} of {each.targets}" if each.targets else "none set"
    age = "" if each.age_days is None else f"{each.age_days:.0f} d"
    if each.problem:
        return (each.model, each.version, each.standing, "", "", "cannot be read", "", "")
    return (each.model, each.version, each.standing, each.sha256, age, targets, each.drift, each.accepted)


def _standing(version: str, in_use: str | None, trial: Trial) -> str:
    words = ["in use"] if version == in_use else []
    if trial.shadow == version:
        words.append("shadow")
    if trial.share is not None and trial.share.version == version:
        words.append(f"share {trial.share.share:.1%}")
    return ", ".join(words)


def _age_days(folder: Path, manifest: Manifest) -> float | None:
    try:
        if manifest.created is not None:
            made = datetime.combine(date.fromisoformat(manifest.created[:10]), datetime.min.time(), UTC).timestamp()
        else:
            made = (folder / manifest.file).stat().st_mtime
    except (ValueError, OSError):
        return None
    return max(0.0, (time.time() - made) / _DAY_S)
