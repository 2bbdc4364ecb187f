"""What happened goes in as plain method calls, `/metrics` text comes out: every metric with its labels and buckets.

Base units; no session or user in a label; every label has a fixed set of values. One worker answers for itself. With
several workers on one port a scrape would reach any one of them: give each its own port for `/metrics`, or sum them in
front; the Prometheus client's multiprocess folder does not see the instruments used here.
"""

from collections.abc import Callable
from itertools import product
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

from emdr_stream.clock import wall_ms
from emdr_stream.domain import AlertKind, Role, Severity, SignalStatus
from emdr_stream.errors import CloseCode, ErrorCode
from emdr_stream.telemetry.instruments import Histogram, Instruments, Key, Level, Tally
from emdr_stream.telemetry.labels import (
    AuthFailure,
    FrameOutcome,
    Journal,
    Loss,
    Refusal,
    ResumeResult,
    SampleOutcome,
    Stage,
    StoreLabel,
)
from emdr_stream.telemetry.model_metrics import ModelMetrics
from emdr_stream.telemetry.waiting_alerts import WaitingAlerts

METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


# Fine below 10 ms, where the goals lie; the last bounds are the score deadline (1 s) and what no session should see.
_LATENCY: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Up to the age at which the signal is stale (2 s) and lost (8 s).
_AGE: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# Receipt is due after 0.25 s, alarm after 1 s, rest after 1 s (hard) or 3 s (ease).
_CONFIRM: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0)
# Deadlines: critical 15 s, high 30 s.
_ACK: Final = (1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
_LAG: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

# Most are lookups of milliseconds; an export or a batch may take long.
_REST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
REST_GROUPS: Final = ("emotion", "personalization", "safety", "analytics", "sessions", "users", "none")
"""Parts of the REST API; `none`: an address that has no such method."""
_STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")

_OTHER: Final = "other"
_MANY: Final = 256
_CLOSE_CODES: Final = frozenset(str(int(code)) for code in CloseCode)


class Metrics:
    """All metrics of one worker; use from the event loop's thread only. A value outside a label's set is a KeyError."""

    def __init__(self, registry: CollectorRegistry, *, version: str, wall_ms: Callable[[], int] = wall_ms) -> None:
        self._registry = registry
        # per message: kept cheap -------------------------------------------------------------------------------------
        self._latency = Histogram(
            "emdr_frame_latency_seconds", "Time a message spends in a stage.", _LATENCY, ("stage",), Stage
        )
        self._age = Histogram("emdr_frame_age_seconds", "Age of the newest sample when its result is sent.", _AGE)
        self._samples = Tally("emdr_samples", "Emotion samples by what became of them.", ("outcome",), SampleOutcome)
        self._frames = Tally("emdr_frames", "Webcam frames by what became of them.", ("outcome",), FrameOutcome)
        self._results = Tally("emdr_results", "Results sent to clients.")
        self._conflated = Tally("emdr_results_conflated", "Results replaced by a newer one before they were sent.")
        self._notices = Tally("emdr_notices_dropped", "Live states that a newer one replaced, or a slow console lost.")
        # per session, socket or alert ---------------------------------------------------------------------------------
        self._signal = Level("emdr_signal_state", "Sessions by sight of the client.", ("state",), SignalStatus)
        self._alerts = Tally(
            "emdr_alerts", "Alerts raised.", ("kind", "severity"), product(map(str, AlertKind), map(str, Severity))
        )
        self._unacknowledged = Level(
            "emdr_alerts_unacknowledged", "Alerts of live sessions that nobody has acknowledged."
        )
        self._ack = Histogram("emdr_alert_ack_seconds", "From raising an alert to its acknowledgement.", _ACK)
        self._confirm = Histogram("emdr_pause_confirm_seconds", "From sending a pause to its confirmation.", _CONFIRM)
        self._connections = Level("emdr_ws_connections", "Open WebSockets.", ("role",), Role)
        self._closes = Tally("emdr_ws_closes", "Closed WebSockets.", ("code",), sorted(_CLOSE_CODES | {_OTHER}))
        self._resumes = Tally("emdr_resumes", "Attempts to resume a session.", ("result",), ResumeResult)
        self._adopted = Tally("emdr_sessions_adopted", "Sessions of dead workers that this one took over.")
        self._errors = Tally("emdr_errors", "Error messages sent to peers.", ("code",), ErrorCode)
        self._auth = Tally("emdr_auth_failures", "Peers that were not let in.", ("code",), AuthFailure)
        self._refused = Tally("emdr_refusals", "Peers for whom there was no room.", ("limit",), Refusal)
        self._rest = Histogram(
            "emdr_rest_seconds", "From a REST request to the begin of its answer.", _REST, ("group",), REST_GROUPS
        )
        self._rest_answers = Tally("emdr_rest_answers", "Answers to REST requests.", ("status",), _STATUSES)
        # the service itself -------------------------------------------------------------------------------------------
        self._watcher_lag = Histogram("emdr_watcher_lag_seconds", "How far a console is behind.", _LAG)
        self._loop_lag = Histogram("emdr_event_loop_lag_seconds", "How late the event loop runs its timers.", _LAG)
        self._pubsub_lag = Histogram("emdr_pubsub_lag_seconds", "From publishing a notice to its arrival.", _LAG)
        self._unsent = Tally("emdr_notices_unsent", "Live notices that other workers lost: a full buffer, or no Redis.")
        self._load = Level("emdr_load_ratio", "Share of a core that its sessions need, were all there and scored.")
        self._queue = Level("emdr_inference_queue_depth", "Feature rows that wait for the models.")
        self._store_up = Level(
            "emdr_store_up", "1 if a store answers and takes writes, else 0.", ("store",), StoreLabel
        )
        self._backlog = Level("emdr_store_backlog", "Records that wait to be written, in memory and on the disk.")
        self._rows = Tally("emdr_store_rows", "Records written to PostgreSQL.")
        self._lost = Tally("emdr_store_lost", "Records lost.", ("reason",), Loss)
        self._spilled = Tally("emdr_store_spilled", "Records that went to the disk while PostgreSQL was away or slow.")
        self._read_back = Tally("emdr_store_read_back", "Records brought from the disk to PostgreSQL.")
        self._spill = Level("emdr_store_spill_bytes", "Disk space of records that wait for PostgreSQL.")
        self._spill_limit = Level("emdr_store_spill_limit_bytes", "Disk space that such records may take.")
        self._stale = Tally("emdr_stale_epoch_refusals", "Writes refused because the session has a newer owner.")
        self._journal = Tally("emdr_journal_failures", "Local writes that failed.", ("journal",), Journal)
        self._faces = Level("emdr_face_workers", "Processes that look at webcam frames.")
        self._face_restarts = Tally("emdr_face_worker_restarts", "Such processes that died or hung and were replaced.")
        self._face_queue = Level("emdr_face_queue_depth", "Webcam frames that are looked at or wait for it.")
        self._face_busy = Level("emdr_face_workers_busy_ratio", "Share of their time in which these processes work.")
        self._cameras = Level("emdr_cameras", "Sessions that send webcam frames.")
        self._camera_rate = Level("emdr_camera_rate_limit_hertz", "Webcam frames a second that a session may send now.")
        self._build = Level("emdr_build_info", "Version that runs.", ("version",), (version,))
        self._build.put(1, version)
        Instruments(registry, (part for part in vars(self).values() if isinstance(part, Tally | Level | Histogram)))
        self.models = ModelMetrics(registry)
        self.waiting = WaitingAlerts(registry, wall_ms)
        ProcessCollector(registry=registry)

    def render(self) -> bytes:
        """The text of `/metrics`; its media type is METRICS_CONTENT_TYPE."""
        return generate_latest(self._registry)

    # messages ---------------------------------------------------------------------------------------------------------
    def models_ran(self, rows: int, queued_s: float, infer_s: float) -> None:
        """The models scored so many rows in one run: each has waited and was scored for this long."""
        stages = self._latency.of
        stages[Stage.QUEUE].observe(queued_s, rows)
        stages[Stage.INFER].observe(infer_s, rows)

    def frame(self, outcome: FrameOutcome) -> None:
        self._frames.add(outcome)

    def looked(self, decode_ms: float, face_ms: float, expression_ms: float) -> None:
        """A frame was looked at: what each step took, in milliseconds."""
        stages = self._latency.of
        stages[Stage.DECODE].observe(decode_ms / 1_000)
        stages[Stage.FACE].observe(face_ms / 1_000)
        stages[Stage.EXPRESSION].observe(expression_ms / 1_000)

    def faces(
        self, *, workers: int, restarts: int, depth: int, busy_share: float, cameras: int, rate_hz: float
    ) -> None:
        """How the workers that look at frames stand now."""
        self._faces.levels[()] = workers
        self._face_restarts.counts[()] = restarts
        self._face_queue.levels[()] = depth
        self._face_busy.levels[()] = busy_share
        self._cameras.levels[()] = cameras
        self._camera_rate.levels[()] = rate_hz

    # The next four are resolved once, for the line that each message travels.
    def latency_of(self, stage: Stage) -> Callable[[float], None]:
        """What takes a stage's seconds; they count when `fold` is called."""
        return self._latency.of[stage].gather

    def quantiles_of(self, stage: Stage, wanted: tuple[float, ...]) -> tuple[int, tuple[float | None, ...]]:
        """How many messages have spent time in a stage, and its quantiles in seconds, as the histogram knows them."""
        return self._latency.of[stage].quantiles(wanted)

    def age_observer(self) -> Callable[[float], None]:
        """What takes ages in seconds; they count when `fold` is called."""
        return self._age.of[()].gather

    @property
    def samples(self) -> dict[Key, float]:
        """Counts of samples by SampleOutcome, to be incremented."""
        return self._samples.counts

    @property
    def results(self) -> dict[Key, float]:
        """The count of results, under `()`, to be incremented."""
        return self._results.counts

    def fold(self) -> None:
        """Count the latencies and ages that have gathered, once there are many; every session asks once a second."""
        self._latency.of[Stage.TOTAL].fold(_MANY)
        self._age.of[()].fold(_MANY)

    def sample(self, outcome: SampleOutcome) -> None:
        self._samples.counts[outcome] += 1

    def result(self) -> None:
        self._results.counts[()] += 1

    def conflated(self, amount: int = 1) -> None:
        self._conflated.counts[()] += amount

    def notices_dropped(self, amount: int = 1) -> None:
        self._notices.counts[()] += amount

    def error(self, code: ErrorCode) -> None:
        self._errors.add(code)

    def rest_answered(self, group: str, status: int, seconds: float) -> None:
        """A REST request of one of REST_GROUPS has its answer."""
        self._rest.of[group].observe(seconds)
        self._rest_answers.add(f"{status // 100}xx")

    # sessions, alerts, sockets ----------------------------------------------------------------------------------------
    def signal_moved(self, old: SignalStatus | None, new: SignalStatus | None) -> None:
        """A session's signal changed; `old` is None when the session opens, `new` when it is over."""
        if old is not None:
            self._signal.add(old, -1)
        if new is not None:
            self._signal.add(new)

    def alert_raised(self, kind: AlertKind, severity: Severity) -> None:
        self._alerts.add((kind, severity))

    def alerts_unacknowledged(self, change: int) -> None:
        """So many more of a session's alerts wait, or fewer."""
        self._unacknowledged.add((), change)

    def alert_acknowledged(self, seconds: float) -> None:
        self._ack.of[()].observe(seconds)

    def pause_confirmed(self, seconds: float) -> None:
        self._confirm.of[()].observe(seconds)

    def connection_opened(self, role: Role) -> None:
        self._connections.add(role)

    def connection_closed(self, role: Role | None, code: int) -> None:
        """A socket is gone; `role` is None when it closed before it had one. Codes that peers make up are `other`."""
        if role is not None:
            self._connections.add(role, -1)
        text = str(int(code))
        self._closes.add(text if text in _CLOSE_CODES else _OTHER)

    def resume(self, result: ResumeResult) -> None:
        self._resumes.add(result)

    def session_adopted(self) -> None:
        self._adopted.add()

    def auth_failed(self, code: AuthFailure) -> None:
        self._auth.add(code)

    def refused(self, limit: Refusal) -> None:
        """There was no room for a peer."""
        self._refused.add(limit)

    # the service itself -----------------------------------------------------------------------------------------------
    def watcher_lag(self, seconds: float) -> None:
        self._watcher_lag.of[()].observe(seconds)

    def load(self, share: float) -> None:
        self._load.levels[()] = share

    def event_loop_lag(self, seconds: float) -> None:
        self._loop_lag.of[()].observe(seconds)

    def pubsub_lag(self, seconds: float) -> None:
        self._pubsub_lag.of[()].observe(seconds)

    def notices_unsent(self, total: int) -> None:
        self._unsent.counts[()] = total

    def inference_queue(self, rows: int) -> None:
        self._queue.levels[()] = rows

    def store_up(self, store: StoreLabel, up: bool) -> None:
        self._store_up.levels[store] = float(up)

    def store_backlog(self, records: int) -> None:
        self._backlog.levels[()] = records

    def store_rows(self, total: int) -> None:
        self._rows.counts[()] = total

    def store_lost(self, reason: Loss, total: int) -> None:
        self._lost.counts[reason] = total

    def store_spill(self, *, spilled: int, read_back: int, size: int, limit: int, failures: int) -> None:
        """Totals of rows, bytes now and at most, and how often the disk failed."""
        self._spilled.counts[()] = spilled
        self._read_back.counts[()] = read_back
        self._spill.levels[()] = size
        self._spill_limit.levels[()] = limit
        self._journal.counts[Journal.SPILL] = failures

    def stale_epoch_refusals(self, total: int) -> None:
        self._stale.counts[()] = total

    def alert_journal_failed(self) -> None:
        self._journal.add(Journal.ALERT)

    def recordings_failed(self, total: int) -> None:
        self._journal.counts[Journal.RECORDING] = total
