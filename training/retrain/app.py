"""In: the address of the service's Redis and a workplace. Out: a Celery application with one task, and when it is due.

The queue lies in the same Redis as the service's live state, under keys of its own. Messages are JSON, one task runs at
a time, in a process that ends with it: a training's memory is given back.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from celery import Celery
from celery.schedules import crontab

from training.retrain.retraining import Workplace, look

TASK: Final = "emdr.retrain"
QUEUE: Final = "emdr-retrain"
_PREFIX: Final = "emdr:celery:"
_LONGEST_S: Final = 12 * 3_600
"""A training that takes longer hangs. Until then its message counts as being worked on, and is given to nobody else."""
_RESULT_S: Final = 7 * 86_400


def make_app(redis_url: str, workplace: Workplace | None = None) -> Celery:
    """The application; without a workplace it can only ask for the task, not do it."""
    url = celery_url(redis_url)
    app = Celery("emdr_stream", broker=url, backend=url)
    transport = {"global_keyprefix": _PREFIX, "visibility_timeout": _LONGEST_S}
    app.conf.update(
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_default_queue=QUEUE,
        broker_transport_options=transport,
        result_backend_transport_options=transport,
        broker_connection_retry_on_startup=True,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=1,
        worker_hijack_root_logger=False,
        task_acks_late=True,
        task_track_started=True,
        task_time_limit=_LONGEST_S,
        result_expires=_RESULT_S,
        enable_utc=False,
    )
    if workplace is not None:
        _add_task(app, workplace)
    return app


def _add_task(app: Celery, workplace: Workplace) -> None:
    def retrain(force: bool = False) -> dict[str, Any]:
        return look(workplace, force=force).as_json()

    app.task(name=TASK)(retrain)
    due = crontab(hour=str(workplace.config.hour), minute=str(workplace.config.minute))
    app.conf.beat_schedule = {"look every night": {"task": TASK, "schedule": due}}


def worker_arguments(data_dir: Path) -> Sequence[str]:
    """One process that works, and a clock that wakes it; the clock's memory lies in the data folder."""
    clock = data_dir / "celerybeat-schedule"
    return ["worker", "--beat", f"--schedule={clock}", "--concurrency=1", f"--queues={QUEUE}", "--loglevel=INFO"]


def celery_url(redis_url: str) -> str:
    """redis-py's address in Celery's spelling: a Unix socket is `redis+socket://` there."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{unquote(parts.path)}?virtual_host={database}"
