"""All settings in small frozen groups with their defaults, units and reasons; handed in, never imported as a global."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from emdr_stream.domain import Limits, Thresholds


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """When the service says that it does not see the client. Times in milliseconds of session time."""

    stale_after_ms: int = 2_000
    lost_after_ms: int = 8_000
    late_limit_ms: int = 2_000
    """Samples up to this much older than the newest are sorted in, older ones are dropped and counted."""
    hold_ms: int = 500
    """How long one sample stands for the time until the next; longer gaps count as missing."""
    degraded_quality: float = 0.5
    degraded_rate_hz: float = 3.0
    """Below this sample rate, or below this mean quality, the signal is `degraded`."""
    many_faces_ms: int = 1_000
    """How long more than one face must be seen before it counts."""
    clock_jump_ms: int = 5_000
    """A client clock that moves by more than this against ours is taken as reset and measured anew."""


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """The personal baseline: the first calm minute."""

    duration_s: float = 60.0
    prior_weight_s: float = 10.0
    """How many seconds of own signal the population prior weighs."""


@dataclass(frozen=True, slots=True)
class SafetySettings:
    """The safety monitor's thresholds and times. Persistence and refractory times: domain notes, alarms."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    advise_persist_ms: int = 3_000
    pause_persist_ms: int = 2_000
    immediate_persist_ms: int = 1_000
    dissociation_threshold: float = 0.7
    dissociation_persist_ms: int = 5_000
    watch_margin: float = 0.15
    """WATCH begins this much below the risk threshold."""
    hysteresis: float = 0.2
    """A condition ends only this much below its threshold (0.7 begins, 0.5 ends)."""
    clear_ms: int = 10_000
    """How long risk must stay below its exit before an advisory alert is resolved."""
    refractory_ms: int = 60_000
    """Repeats of the same cause are withheld this long after an authorised resume; a rising priority never is."""
    score_deadline_ms: int = 1_000
    """Scores that take longer are a missed deadline: a safety event."""
    max_gap_ms: int = 500
    """Persistence never counts more than this between two evaluations."""
    sud_alarm: float = 8.0
    """Two rises in a row that end at this SUD or above raise an advisory alert, with every model off too."""


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """Confirmation of control messages and the life of a session, in milliseconds (protocol, section 2)."""

    receipt_ms: int = 250
    unconfirmed_ms: int = 1_000
    rest_hard_ms: int = 1_000
    rest_ease_ms: int = 3_000
    rest_finish_margin_ms: int = 1_000
    resend_every_ms: int = 1_000
    disconnect_alert_ms: int = 5_000
    grace_ms: int = 60_000
    ack_critical_ms: int = 15_000
    ack_high_ms: int = 30_000
    heartbeat_ms: int = 500
    timeout_ms: int = 2_000
    durable_kept: int = 256
    """Durable messages kept for a client that comes back; a longer gap gets the snapshot alone."""
    require_readiness: bool = False


@dataclass(frozen=True, slots=True)
class AdaptationSettings:
    """Bounds of the automatic adaptation (domain notes, stimulation parameters)."""

    speed_min_hz: float = 0.3
    speed_max_hz: float = 1.5
    speed_step_hz: float = 0.1
    in_set_speed_step_hz: float = 0.2
    intensity_min: float = 0.2
    intensity_step: float = 0.2
    duration_min_s: float = 12.0
    duration_step_s: float = 4.0
    dwell_ms: int = 10_000
    ramp_ms: int = 2_000
    calm_risk: float = 0.3
    """A set whose risk stayed below this may be followed by one step back towards the therapist's own setting."""
    hard_risk: float = 0.5
    """A set whose risk reached this is followed by one step down."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Everything the pure core needs to know."""

    signal: SignalSettings = field(default_factory=SignalSettings)
    baseline: BaselineSettings = field(default_factory=BaselineSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    control: ControlSettings = field(default_factory=ControlSettings)
    adaptation: AdaptationSettings = field(default_factory=AdaptationSettings)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Limits of both sockets."""

    hello_timeout_s: float = 5.0
    max_malformed_per_minute: int = 30
    outbox_bytes: int = 1_048_576
    """Unsent bytes above which a watcher, or a client that cannot be told of a pause, is closed with 4408."""
    conflate_bytes: int = 65_536
    """Unsent bytes above which results and live states are dropped rather than queued."""
    allowed_origins: tuple[str, ...] = ()
    """Browser origins besides the service's own; "*" allows all."""
    state_rate_hz: float = 10.0
    watcher_lag_s: float = 30.0
    """A console is closed with 4408 when it has not confirmed an alert, or not read what waits, for this long."""
    bytes_per_s: int = 1_048_576
    """What a socket may send in a second: 16 times what 60 samples of 1 kB are."""
    frame_bytes_per_s: int = 4_194_304
    """The same for a socket that sends webcam frames: 30 of 128 KiB, twice what 640x480 in good quality takes."""
    max_consoles_per_user: int = 16
    """Open consoles of one therapist on a worker; 0 is no limit."""


class Mode(StrEnum):
    """Where the service runs: in development `serve` prints a token for each role, in production it never does."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class TokenAlgorithm(StrEnum):
    """How tokens are signed: HS256 with our own secret, the others by an identity provider whose public key we have."""

    HS256 = "HS256"
    EDDSA = "EdDSA"
    RS256 = "RS256"
    ES256 = "ES256"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the service listens and how it runs."""

    host: str = "127.0.0.1"
    port: int = 8001
    workers: int = 1
    max_sessions: int = 1_000
    """Live sessions a worker takes; further ones are told `overloaded`."""
    max_sessions_per_user: int = 16
    """Live sessions of one client on a worker, those in their grace time included; 0 is no limit."""
    max_load: float = 0.8
    """Share of a worker's core that its sessions may need before new ones are told `overloaded`; 0 is no limit."""
    max_sockets: int = 4_000
    """Open WebSockets of a worker; further handshakes are answered with 503."""
    max_sockets_per_peer: int = 256
    """Open WebSockets of one address; further handshakes are answered with 429. A clinic behind one address has room;
    behind a proxy that is not among `trusted_proxies` all clients share one. 0 is no limit."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; nobody's by default."""
    log_level: str = "INFO"
    mode: Mode = Mode.DEVELOPMENT
    record_dir: Path | None = None
    """Where sessions are recorded for replay; None records nothing."""
    demo_readings: Path | None = None
    """What `/client` plays where there is no camera: written by `emdr-stream demo`; not in production."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the stores are. Unless both have a URL, both are started in the data folder; a URL that is given counts."""

    data_dir: Path
    redis_url: str | None = field(default=None, repr=False)
    database_url: str | None = field(default=None, repr=False)
    valkey_binary: Path | None = None
    postgres_bin_dir: Path | None = None
    spill_bytes: int = 268_435_456
    """Disk space for records that wait for PostgreSQL, in the data folder; 0: they wait in memory alone."""


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How tokens are checked. `key` is a secret of at least 32 bytes, or the public key in PEM, as `algorithm` asks."""

    key: bytes = field(repr=False)
    algorithm: TokenAlgorithm = TokenAlgorithm.HS256
    issuer: str | None = None
    audience: str | None = None
    leeway_s: float = 5.0
    """How far the clock of who issues tokens may be off."""


@dataclass(frozen=True, slots=True)
class RestSettings:
    """Limits of the REST API."""

    rate_hz: int = 50
    """Requests a second of one caller on a worker; further ones are answered with 429."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything the service is configured with."""

    server: ServerSettings
    stores: StoreSettings
    tokens: TokenSettings
    session: SessionSettings = field(default_factory=SessionSettings)
    socket: SocketSettings = field(default_factory=SocketSettings)
    rest: RestSettings = field(default_factory=RestSettings)
    model_dir: Path | None = None
    """Folder of the models; None: the ones that came with the package."""
    face_workers: int = 0
    """Processes of each worker that look at webcam frames; 0: as many as there are processors for."""
    landmarker_file: Path | None = None
    """MediaPipe's face landmarker, for webcam frames; None: where `emdr-stream models fetch` puts it."""
