"""In: the command line of `retrain` and `worker`. Out: one look at whether to train anew, or a Celery worker."""

import argparse
import os
from pathlib import Path

from rich.console import Console

from emdr_stream.embedded import running_stores
from emdr_stream.environment import Environment, data_dir_of, read_environment
from emdr_stream.errors import ConfigurationError, EmdrError
from training.config import DEFAULT_PATH
from training.retrain.config import load_retrain_config
from training.retrain.retraining import Workplace, look


def run(args: argparse.Namespace, console: Console) -> int:
    """Exit code 0 when done, 1 when the worker failed, 2 for wrong arguments, settings or files."""
    try:
        environment = read_environment(args.env_file, data_dir=args.data_dir)
        config = load_retrain_config(args.retrain_config) if args.retrain_config else load_retrain_config()
        recordings: Path | None = args.recordings or environment.record_dir
        training_config: Path = args.config or DEFAULT_PATH
        workplace = Workplace(environment, config, recordings, args.data, training_config, args.quick)
        if args.command == "worker":
            return _work(workplace, redis_url_of(environment))
        return _retrain(workplace, console, force=args.force)
    except (EmdrError, OSError, ValueError) as problem:
        console.print(f"[red]{problem}[/red]", markup=True)
        return 2


def redis_url_of(environment: Environment) -> str:
    """The configured Redis, or that of a service which runs on the data folder. Raises ConfigurationError."""
    if environment.redis_url is not None:
        return environment.redis_url.get_secret_value()
    beside = running_stores(data_dir_of(environment))
    if beside is None:
        raise ConfigurationError(
            f"no Redis to wait on: start the service on the data folder {data_dir_of(environment)}, name its folder "
            "with --data-dir, or set EMDR_REDIS_URL"
        )
    return beside.redis_url


def _work(workplace: Workplace, redis_url: str) -> int:
    from training.retrain.app import make_app, worker_arguments

    workplace.data_dir.mkdir(parents=True, exist_ok=True)
    # Celery warns of root because of pickle, which is not accepted here.
    os.environ.setdefault("C_FORCE_ROOT", "true")
    make_app(redis_url, workplace).worker_main(list(worker_arguments(workplace.data_dir)))
    return 0


def _retrain(workplace: Workplace, console: Console, *, force: bool) -> int:
    from training.shown import Bars

    with Bars(console) as bars:
        outcome = look(workplace, force=force, progress=bars)
    if outcome.version is None:
        console.print(f"{outcome.model}: {outcome.why}", markup=False)
        return 0
    console.print(f"{outcome.model} {outcome.version}: {'; '.join(outcome.reasons)}", markup=False)
    console.print(f"misses: {', '.join(outcome.missed) or 'nothing'}", markup=False)
    console.print(outcome.why, markup=False)
    return 0
