"""In: a step in a model's life that somebody asks for. Out: the step taken and written down, or refused with reasons.

A promotion of a safety model is in the audit log before it counts. Any other step is taken also while the log cannot be
reached, and told to it by the next step that can: a rollback must never wait for a database.
"""

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from emdr_stream.cli.database import database
from emdr_stream.clock import wall_ms
from emdr_stream.environment import Environment
from emdr_stream.errors import ConfigurationError, EmdrError, ModelRefused, StoreUnavailable
from emdr_stream.inference.lives import Lives, Share, Step, Trial, changing, former_version, read_trials, untold
from emdr_stream.inference.manifest import EMOTION_SAFETY, Manifest, current_versions, read_manifest, versions_of
from emdr_stream.inference.models import verify_version
from emdr_stream.inference.promotion import (
    Deviation,
    Judgement,
    PromotionRefused,
    SignOff,
    is_safety,
    judge,
    wanted_of,
)
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.postgres import PostgresStore

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was taken. `told`: whether the audit log has it."""

    step: Step
    told: bool


@dataclass(frozen=True, slots=True)
class Registry:
    """A models folder, and the settings that say where the audit log is."""

    models_dir: Path
    environment: Environment

    # promotion and rollback ---------------------------------------------------------------------------------------

    def weigh(self, name: str, version: str, deviation: Deviation, sign_off: SignOff | None) -> Judgement:
        """What speaks against putting a version in use. Raises ModelRefused for one that cannot be used at all."""
        candidate = self._fit(name, version)
        present = current_versions(self.models_dir).get(name)
        if present == version:
            raise ConfigurationError(f"{name} {version} is in use already: there is nothing to promote")
        current = None if present is None else read_manifest(self.models_dir / name / present)
        return judge(
            name,
            candidate.metrics,
            None if current is None else current.metrics,
            wanted_of(name, current, candidate),
            deviation=deviation,
            sign_off=sign_off,
        )

    def promote(self, name: str, version: str, deviation: Deviation, sign_off: SignOff | None) -> Done:
        """Put a version in use. Raises PromotionRefused with every reason, or ModelRefused."""
        with changing(self.models_dir) as lives:
            judgement = self.weigh(name, version, deviation, sign_off)
            if judgement.refused:
                raise PromotionRefused(f"{name} {version} is not promoted", judgement.refused)
            step = Step(
                ts_ms=wall_ms(),
                action="promote",
                model=name,
                version=version,
                former=current_versions(self.models_dir).get(name),
                sha256=read_manifest(self.models_dir / name / version).sha256,
                by=_by(sign_off),
                reason=sign_off.reason if sign_off else "",
                basis=judgement.basis,
                missed=tuple(result.name for result in judgement.missed),
                despite=deviation.names,
                because=deviation.because,
            )
            told = self._tell(lives, step)
            if not told and is_safety(name):
                raise PromotionRefused(
                    f"{name} {version} is not promoted",
                    [
                        "the audit log cannot be reached, and nobody's signature counts that is not in it: start the "
                        "database, or the service with its embedded one, and ask again (EMDR_DATABASE_URL, --data-dir)"
                    ],
                )
            lives.put_in_use(name, version)
            return self._noted(lives, step, told)

    def rollback(self, name: str, sign_off: SignOff | None, reason: str) -> Done:
        """Put the version in use again that was before. Raises ConfigurationError when there is none."""
        with changing(self.models_dir) as lives:
            present = current_versions(self.models_dir).get(name)
            former = former_version(lives.history, name, present)
            if former is None:
                raise ConfigurationError(
                    f"{name}: the history of {self.models_dir} knows no version before {present}: put another one in "
                    "use with `models promote`"
                )
            manifest = self._fit(name, former)
            step = Step(
                ts_ms=wall_ms(),
                action="rollback",
                model=name,
                version=former,
                former=present,
                sha256=manifest.sha256,
                by=_by(sign_off),
                reason=sign_off.reason if sign_off else reason,
                basis="it was in use before",
            )
            lives.put_in_use(name, former)
            return self._noted(lives, step, self._tell(lives, step))

    def register(self, step: Step) -> Done:
        """Note a version that was made here; it is in use nowhere."""
        if step.version is not None:
            self._fit(step.model, step.version)
        with changing(self.models_dir) as lives:
            return self._noted(lives, step, self._tell(lives, step))

    # trials -------------------------------------------------------------------------------------------------------

    def shadow(self, name: str, version: str | None) -> Done:
        """Have a version score what the present one scores, without a word of its own; None ends that."""
        if name != EMOTION_SAFETY:
            raise ConfigurationError(
                f"{name}: only {EMOTION_SAFETY} can run as a shadow, because it alone is asked in batches that a "
                "second model can score too; give another a share of the sessions (`models share`)"
            )
        with changing(self.models_dir) as lives:
            manifest = None if version is None else self._fit(name, version)
            self._not_in_use(name, version)
            trial = read_trials(self.models_dir).get(name, Trial())
            step = _trial_step("shadow", name, version, manifest)
            lives.try_out(name, msgspec.structs.replace(trial, shadow=version))
            return self._noted(lives, step, self._tell(lives, step))

    def share(self, name: str, version: str, part: float | None) -> Done:
        """Give a version to a share of the sessions; None ends that. Never for a safety model."""
        if is_safety(name):
            raise ConfigurationError(
                f"{name} is a safety model: nobody's safety depends on a draw. Run {version} as a shadow "
                f"(`models shadow {name} {version}`) and compare"
            )
        with changing(self.models_dir) as lives:
            trial = read_trials(self.models_dir).get(name, Trial())
            manifest = None
            if part is None:
                self._may_end(name, version, trial)
            else:
                manifest = self._fit(name, version)
                self._not_in_use(name, version)
            share = None if part is None else Share(version=version, share=part)
            step = msgspec.structs.replace(
                _trial_step("share", name, None if part is None else version, manifest), share=part
            )
            lives.try_out(name, msgspec.structs.replace(trial, share=share))
            return self._noted(lives, step, self._tell(lives, step))

    # within -------------------------------------------------------------------------------------------------------

    def _fit(self, name: str, version: str) -> Manifest:
        """The manifest of a version that can be loaded and gives its stored answers. Raises ModelRefused."""
        self._there(name, version)
        problem = verify_version(self.models_dir, name, version, FEATURE_NAMES)
        if problem is not None:
            raise ModelRefused(f"{name} {version} is not fit for use: {problem}")
        return read_manifest(self.models_dir / name / version)

    def _there(self, name: str, version: str) -> None:
        if version not in versions_of(self.models_dir, name):
            there = ", ".join(versions_of(self.models_dir, name)) or "none"
            raise ModelRefused(f"{self.models_dir} holds no version {version} of {name} (there: {there})")

    def _may_end(self, name: str, version: str, trial: Trial) -> None:
        """What has a share is withdrawn whatever its file is like, and no other version than the one that is named."""
        if trial.share is None:
            self._there(name, version)
        elif trial.share.version != version:
            raise ConfigurationError(f"{name} {version} has no share of the sessions: {trial.share.version} has one")

    def _not_in_use(self, name: str, version: str | None) -> None:
        if version is not None and current_versions(self.models_dir).get(name) == version:
            raise ConfigurationError(f"{name} {version} is the version in use: name another one")

    def _tell(self, lives: Lives, step: Step) -> bool:
        """Have the audit log told of what it does not know yet, and of this step; False when it cannot be reached."""
        steps = [*untold(self.models_dir, lives.history), step]
        try:
            asyncio.run(_told(self.environment, steps))
        except (StoreUnavailable, ConfigurationError, OSError):
            return False
        except EmdrError as problem:
            raise ConfigurationError(f"the audit log did not take the step: {problem}") from problem
        return True

    def _noted(self, lives: Lives, step: Step, told: bool) -> Done:
        lives.note(step)
        if told:
            lives.all_told()
        return Done(step, told)


async def _told(environment: Environment, steps: Sequence[Step]) -> None:
    async with database(environment) as url:
        store = PostgresStore(url, timeout_s=_PATIENCE_S, connections=1)
        try:
            await store.start()
            await store.write([record for step in steps for record in records_of(step)])
        finally:
            await store.aclose()


def records_of(step: Step) -> tuple[Record, Record]:
    """A step for the audit log and for the table of models; the same step twice is one row of each."""
    told = {key: value for key, value in msgspec.to_builtins(step).items() if key != "ts_ms"}
    event = {**told, "event": step.action, "version": step.version or ""}
    audit = {**told, "action": f"model.{step.action}"}
    return (
        # Of no user: that is a client, and whoever ran the command stands in `by`.
        Record(RecordKind.AUDIT, "", "", 0, step.ts_ms, audit),
        Record(RecordKind.MODEL, "", "", 0, step.ts_ms, event),
    )


def _trial_step(action: str, name: str, version: str | None, manifest: Manifest | None) -> Step:
    return msgspec.convert(
        {
            "ts_ms": wall_ms(),
            "action": action,
            "model": name,
            "version": version,
            "sha256": manifest.sha256 if manifest and version else None,
            "by": _by(None),
        },
        Step,
    )


def _by(sign_off: SignOff | None) -> str:
    """Who did it: a signature, or else the account."""
    if sign_off is not None:
        return sign_off.by
    try:
        return f"account {getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, in a container
        return "account without a name"
