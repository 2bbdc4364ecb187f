"""A checked Environment goes in, the frozen groups that the parts are handed come out."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from emdr_stream.domain import Limits, Thresholds
from emdr_stream.environment.keys import LEAST_KEY_BYTES, read_or_make_key
from emdr_stream.environment.reading import ENV_FILE, read_environment
from emdr_stream.environment.variables import Environment, variable_of
from emdr_stream.errors import ConfigurationError
from emdr_stream.settings import (
    BaselineSettings,
    ControlSettings,
    Mode,
    RestSettings,
    SafetySettings,
    ServerSettings,
    ServiceSettings,
    SessionSettings,
    SignalSettings,
    SocketSettings,
    StoreSettings,
    TokenAlgorithm,
    TokenSettings,
)

_PEM: Final = "-----BEGIN"


def load_settings(env_file: Path | None = ENV_FILE, **overrides: object) -> ServiceSettings:
    """Variables → settings. Raises ConfigurationError."""
    return service_settings(read_environment(env_file, **overrides))


def service_settings(env: Environment) -> ServiceSettings:
    """Sort the variables into groups; makes our token key if there is none. Raises ConfigurationError."""
    return ServiceSettings(
        server=ServerSettings(
            host=env.host,
            port=env.port,
            workers=env.workers,
            max_sessions=env.max_sessions,
            max_sessions_per_user=env.max_sessions_per_user,
            max_load=env.max_load,
            max_sockets=env.max_sockets,
            max_sockets_per_peer=env.max_sockets_per_peer,
            trusted_proxies=env.trusted_proxies,
            log_level=env.log_level,
            mode=env.mode,
            record_dir=env.record_dir,
            demo_readings=env.demo_readings if env.mode is Mode.DEVELOPMENT else None,
        ),
        stores=StoreSettings(
            data_dir=data_dir_of(env),
            redis_url=_url(env.redis_url, "redis_url", ("redis://", "rediss://", "unix://")),
            database_url=database_url_of(env),
            valkey_binary=env.valkey_binary,
            postgres_bin_dir=env.postgres_bin_dir,
            spill_bytes=env.spill_bytes,
        ),
        tokens=token_settings(env),
        session=_session_settings(env),
        socket=SocketSettings(
            hello_timeout_s=env.hello_timeout_s,
            max_malformed_per_minute=env.max_malformed_per_minute,
            outbox_bytes=env.outbox_bytes,
            conflate_bytes=env.conflate_bytes,
            allowed_origins=env.allowed_origins,
            state_rate_hz=env.state_rate_hz,
            watcher_lag_s=env.watcher_lag_s,
            bytes_per_s=env.bytes_per_s,
            frame_bytes_per_s=env.frame_bytes_per_s,
            max_consoles_per_user=env.max_consoles_per_user,
        ),
        rest=RestSettings(rate_hz=env.rest_rate_hz),
        model_dir=env.model_dir,
        face_workers=env.face_workers,
        landmarker_file=env.landmarker_file,
    )


def data_dir_of(env: Environment) -> Path:
    """The data folder as an absolute path; the account's own by default."""
    if env.data_dir is not None:
        return env.data_dir.expanduser().absolute()
    from emdr_stream.embedded.folder import default_data_dir

    return default_data_dir()


def database_url_of(env: Environment) -> str | None:
    """The configured PostgreSQL; None for the embedded one. Raises ConfigurationError for another kind of address."""
    return _url(env.database_url, "database_url", ("postgresql://", "postgres://"))


def token_settings(env: Environment, *, make_folder: bool = True) -> TokenSettings:
    """How tokens are checked. `make_folder`: whether an absent data folder is made for a key of our own."""
    own = env.token_algorithm is TokenAlgorithm.HS256
    return TokenSettings(
        key=_own_key(env, make_folder) if own else _public_key(env),
        algorithm=env.token_algorithm,
        issuer=env.token_issuer,
        audience=env.token_audience,
        leeway_s=env.token_leeway_s,
    )


def _own_key(env: Environment, make_folder: bool) -> bytes:
    if env.token_public_key is not None:
        raise ConfigurationError(
            "EMDR_TOKEN_PUBLIC_KEY is set, but EMDR_TOKEN_ALGORITHM is HS256, which needs a secret: "
            "name the identity provider's algorithm (EdDSA, RS256 or ES256) or remove the public key"
        )
    if env.token_key is None:
        return read_or_make_key(data_dir_of(env), make_folder=make_folder)
    key = env.token_key.get_secret_value().encode()
    if len(key) < LEAST_KEY_BYTES:
        raise ConfigurationError(
            f"EMDR_TOKEN_KEY has {len(key)} bytes, fewer than {LEAST_KEY_BYTES}: use a random one "
            "(python -c 'import secrets; print(secrets.token_urlsafe(48))'), or leave it out to have one made"
        )
    return key


def _public_key(env: Environment) -> bytes:
    algorithm = env.token_algorithm.value
    if env.token_key is not None:
        raise ConfigurationError(
            f"EMDR_TOKEN_KEY is a secret for HS256, but EMDR_TOKEN_ALGORITHM is {algorithm}: remove one of them"
        )
    if env.token_public_key is None:
        raise ConfigurationError(
            f"EMDR_TOKEN_ALGORITHM is {algorithm}, but EMDR_TOKEN_PUBLIC_KEY is not set: give the identity provider's "
            "public key, as PEM text or as the path of a PEM file"
        )
    text = env.token_public_key
    if not text.lstrip().startswith(_PEM):
        try:
            text = Path(text).expanduser().read_text("ascii")
        except (OSError, ValueError) as problem:
            raise ConfigurationError(
                "EMDR_TOKEN_PUBLIC_KEY is neither PEM text nor the path of a PEM file that this account can read "
                f"({type(problem).__name__}): correct the path"
            ) from None
    # In a .env file or a unit file a PEM has its line ends written out.
    text = text.replace("\\n", "\n").strip()
    if "PUBLIC KEY-----" not in text or "PRIVATE" in text:
        raise ConfigurationError(
            "EMDR_TOKEN_PUBLIC_KEY must hold a PEM that begins with -----BEGIN PUBLIC KEY-----; "
            "a private key stays with who issues the tokens"
        )
    return text.encode()


def _session_settings(env: Environment) -> SessionSettings:
    thresholds = Thresholds(
        risk=env.risk_threshold,
        crisis_pause=env.crisis_pause_threshold,
        crisis_immediate=env.crisis_immediate_threshold,
    )
    return SessionSettings(
        signal=replace(SignalSettings(), stale_after_ms=env.stale_after_ms, lost_after_ms=env.lost_after_ms),
        baseline=replace(BaselineSettings(), duration_s=env.baseline_s),
        safety=replace(SafetySettings(), thresholds=thresholds),
        control=replace(
            ControlSettings(),
            grace_ms=env.grace_ms,
            heartbeat_ms=env.heartbeat_ms,
            timeout_ms=env.timeout_ms,
            require_readiness=env.require_readiness,
        ),
        limits=Limits(message_bytes=env.message_bytes, rate_hz=env.rate_hz),
    )


def _url(value: SecretStr | None, name: str, schemes: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    url = value.get_secret_value()
    if not url.startswith(schemes):
        raise ConfigurationError(
            f"{variable_of(name)} must begin with {' or '.join(schemes)} (its value is not shown, as it may hold a "
            "password): correct it, or leave it out for an embedded store"
        )
    return url
