"""The table of all `EMDR_…` variables: name, type, range, default and meaning of each."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from emdr_stream.domain import Limits, Thresholds
from emdr_stream.settings import (
    BaselineSettings,
    ControlSettings,
    Mode,
    RestSettings,
    ServerSettings,
    SignalSettings,
    SocketSettings,
    StoreSettings,
    TokenAlgorithm,
)

PREFIX: Final = "EMDR_"

_SIGNAL, _CONTROL, _SOCKET, _LIMITS = SignalSettings(), ControlSettings(), SocketSettings(), Limits()
_THRESHOLDS: Final = Thresholds()
_BASELINE: Final = BaselineSettings()
_SERVER: Final = ServerSettings()
_SPILL_BYTES: Final = StoreSettings(data_dir=Path()).spill_bytes

Threshold = Annotated[float, Field(ge=0.2, le=0.95)]


class Environment(BaseSettings):
    """Every variable with its default, range and meaning; `emdr-stream settings` prints this table."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    # where and how it runs
    host: str = Field(_SERVER.host, description="address to listen on; 0.0.0.0 for every interface")
    port: int = Field(_SERVER.port, ge=1, le=65_535, description="port of the sockets, the REST API and /metrics")
    workers: int = Field(_SERVER.workers, ge=1, le=64, description="worker processes")
    max_sessions: int = Field(_SERVER.max_sessions, ge=1, le=100_000, description="live sessions a worker takes")
    max_sessions_per_user: int = Field(
        _SERVER.max_sessions_per_user, ge=0, le=100_000, description="live sessions of one client; 0: no limit"
    )
    max_load: float = Field(
        _SERVER.max_load, ge=0, le=1, description="share of a worker's core up to which it takes sessions; 0: no limit"
    )
    max_sockets: int = Field(
        _SERVER.max_sockets, ge=1, le=200_000, description="open WebSockets of a worker; further ones get HTTP 503"
    )
    max_sockets_per_peer: int = Field(
        _SERVER.max_sockets_per_peer,
        ge=0,
        le=200_000,
        description="open WebSockets of one address, further ones get HTTP 429; 0: no limit",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas",
    )
    mode: Mode = Field(_SERVER.mode, description="development, or production, where `serve` prints no tokens")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is logged")
    data_dir: Path | None = Field(
        None, description="folder of the embedded stores, the journal and the token key (default: one of the account)"
    )
    model_dir: Path | None = Field(None, description="folder of the models (default: those of the package)")
    face_workers: int = Field(
        0, ge=0, le=64, description="processes that look at webcam frames, of each worker; 0: by the processors"
    )
    landmarker_file: Path | None = Field(
        None, description="MediaPipe's face_landmarker.task, for webcam frames (default: where `models fetch` puts it)"
    )
    record_dir: Path | None = Field(None, description="folder for recordings of sessions (default: none are made)")
    demo_readings: Path | None = Field(
        None, description="invented readings that /client plays without a camera, made by `demo`; not in production"
    )
    # stores
    redis_url: SecretStr | None = Field(None, description="Redis or Valkey, redis://… (default: an embedded one)")
    database_url: SecretStr | None = Field(None, description="PostgreSQL, postgresql://… (default: an embedded one)")
    valkey_binary: Path | None = Field(None, description="valkey-server or redis-server to embed (default: found)")
    postgres_bin_dir: Path | None = Field(None, description="folder with postgres and initdb to embed (default: found)")
    spill_bytes: int = Field(
        _SPILL_BYTES,
        ge=0,
        le=1_099_511_627_776,
        description="disk space for records that wait for PostgreSQL, of each worker; 0 for none",
    )
    # who may come in
    token_key: SecretStr | None = Field(
        None, description="secret that signs tokens (HS256), at least 32 bytes (default: made once in the data folder)"
    )
    token_public_key: str | None = Field(
        None, description="public key of an identity provider: PEM text, or the path of a PEM file"
    )
    token_algorithm: TokenAlgorithm = Field(TokenAlgorithm.HS256, description="how tokens are signed")
    token_issuer: str | None = Field(None, description="`iss` that tokens must have (default: not checked)")
    token_audience: str | None = Field(None, description="`aud` that tokens must have (default: not checked)")
    token_leeway_s: float = Field(5.0, ge=0, le=60, description="how far the issuer's clock may be off, seconds")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description='browser origins besides the service\'s own, separated by commas; "*" for all'
    )
    # safety
    risk_threshold: Threshold = Field(_THRESHOLDS.risk, description="risk that raises an advisory alert")
    crisis_pause_threshold: Threshold = Field(
        _THRESHOLDS.crisis_pause, description="crisis probability that pauses the session"
    )
    crisis_immediate_threshold: Threshold = Field(
        _THRESHOLDS.crisis_immediate, description="crisis probability that calls for an immediate intervention"
    )
    baseline_s: float = Field(
        _BASELINE.duration_s, ge=5, le=600, description="seconds of calm signal before the models are heard"
    )
    stale_after_ms: int = Field(_SIGNAL.stale_after_ms, ge=500, le=10_000, description="silence that is `stale`")
    lost_after_ms: int = Field(_SIGNAL.lost_after_ms, ge=1_000, le=60_000, description="silence that is `lost`: pauses")
    require_readiness: bool = Field(
        _CONTROL.require_readiness, description="refuse reprocessing phases while `hello.readiness` is incomplete"
    )
    # sockets
    grace_ms: int = Field(_CONTROL.grace_ms, ge=5_000, le=600_000, description="how long a lost client may come back")
    heartbeat_ms: int = Field(_CONTROL.heartbeat_ms, ge=100, le=5_000, description="longest silence of the service")
    timeout_ms: int = Field(
        _CONTROL.timeout_ms, ge=500, le=10_000, description="silence after which a client stops by itself"
    )
    hello_timeout_s: float = Field(_SOCKET.hello_timeout_s, ge=1, le=60, description="time for the first message")
    message_bytes: int = Field(_LIMITS.message_bytes, ge=1_024, le=4_194_304, description="largest message of a client")
    bytes_per_s: int = Field(
        _SOCKET.bytes_per_s, ge=65_536, le=268_435_456, description="bytes a second that one socket may send"
    )
    frame_bytes_per_s: int = Field(
        _SOCKET.frame_bytes_per_s,
        ge=65_536,
        le=268_435_456,
        description="bytes a second that a socket with webcam frames may send",
    )
    rate_hz: int = Field(_LIMITS.rate_hz, ge=1, le=240, description="messages a second of one client")
    max_consoles_per_user: int = Field(
        _SOCKET.max_consoles_per_user, ge=0, le=100_000, description="open consoles of one therapist; 0: no limit"
    )
    max_malformed_per_minute: int = Field(
        _SOCKET.max_malformed_per_minute, ge=1, le=1_000, description="malformed messages before the socket closes"
    )
    outbox_bytes: int = Field(
        _SOCKET.outbox_bytes, ge=131_072, le=67_108_864, description="unsent bytes at which a slow console is closed"
    )
    conflate_bytes: int = Field(
        _SOCKET.conflate_bytes, ge=4_096, le=67_108_864, description="unsent bytes above which live states are dropped"
    )
    state_rate_hz: float = Field(
        _SOCKET.state_rate_hz, ge=0.5, le=10, description="live states a second of each session"
    )
    watcher_lag_s: float = Field(
        _SOCKET.watcher_lag_s,
        ge=1,
        le=3_600,
        description="seconds a console may leave an alert unconfirmed",
    )
    rest_rate_hz: int = Field(
        RestSettings().rate_hz, ge=1, le=10_000, description="REST requests a second of one caller on a worker"
    )

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if origin != "*" and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.path):
                raise ValueError(f'"{origin}" is no origin: write it as https://console.example.org, without a path')
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(f'"{network}" is no address or network: write it as 10.0.0.2 or 10.0.0.0/24') from None
        return value


SECRETS: Final = frozenset({"token_key", "redis_url", "database_url"})
"""Fields whose values are never shown."""


def variable_of(name: str) -> str:
    """The variable of a field of Environment."""
    return f"{PREFIX}{name.upper()}"
