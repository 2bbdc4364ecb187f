"""The process's environment and a `.env` file go in, a checked Environment comes out, or what to mend."""

import difflib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from emdr_stream.environment.variables import PREFIX, SECRETS, Environment, variable_of
from emdr_stream.errors import ConfigurationError

ENV_FILE: Final = Path(".env")

# Read by the compose file (whose .env reaches the service too) and by the tests, not by the service.
_OTHERS: Final = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "AUTOBAHN_PYTHON",
        "CHAOS_FAULTS",
        "CHAOS_SEEDS",
        "CHROMIUM",
        "FUZZ_SECONDS",
        "IMAGE_TARGET",
        "MUTATIONS",
        "GRAFANA_PASSWORD",
        "GRAFANA_PORT",
        "POSTGRES_PASSWORD",
        "PROMETHEUS_PORT",
        "PUBLISHED_PORT",
        "REDIS_PASSWORD",
        "SCHEMA_EXAMPLES",
        "SCREENSHOTS",
        "NOTEBOOK_SIZE",
        "TEST_DATA",
    )
)

# Pairs of fields: the first must be at least as large as the second, times the factor.
_ORDER: Final = (
    ("crisis_immediate_threshold", "crisis_pause_threshold", 1.0),
    ("lost_after_ms", "stale_after_ms", 1.0),
    ("timeout_ms", "heartbeat_ms", 2.0),
    ("outbox_bytes", "conflate_bytes", 1.0),
    ("bytes_per_s", "message_bytes", 1.0),
    ("frame_bytes_per_s", "message_bytes", 1.0),
)


def read_environment(env_file: Path | None = ENV_FILE, **overrides: object) -> Environment:
    """Read and check all variables. `overrides` (command-line options) win over the process's, these over the file's.

    None among the overrides means: not given. Raises ConfigurationError that names every variable at fault.
    """
    if env_file not in (None, ENV_FILE) and (not env_file.exists() or env_file.is_dir()):
        # A name that was mistyped would mean every default, and with them the mode for development.
        raise ConfigurationError(f"--env-file {env_file}: there is no such file")
    given: dict[str, Any] = {"_env_file": env_file}
    given |= {name: value for name, value in overrides.items() if value is not None}
    try:
        environment = Environment(**given)
    except ValidationError as problem:
        raise ConfigurationError("\n".join(_explained(error) for error in problem.errors())) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(
            f"{env_file} cannot be read ({type(problem).__name__}): make it UTF-8 text that this account may read"
        ) from None
    _check_order(environment)
    return environment


def unknown_variables(environ: Mapping[str, str], env_file: Path | None = ENV_FILE) -> list[str]:
    """A warning for each `EMDR_` variable, or line of the file, that means nothing here, with the nearest that does."""
    known = [variable_of(name) for name in Environment.model_fields]
    in_file = dotenv_values(env_file, interpolate=False) if env_file and env_file.is_file() else {}
    names = {name.upper() for name in (*environ, *in_file) if name.upper().startswith(PREFIX)}
    warnings = []
    for name in sorted(names - set(known) - _OTHERS):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f": did you mean {near[0]}?" if near else "; `emdr-stream settings` lists those that have one"
        warnings.append(f"{name} has no meaning{hint}")
    return warnings


def expected(name: str) -> str:
    """What a field's value must be, in words: "a whole number from 1 to 65535"."""
    info = Environment.model_fields[name]
    kinds = [kind for kind in _kinds(info.annotation) if kind is not type(None)]
    choices = _choices(kinds)
    if choices:
        return f"one of {', '.join(choices)}"
    kind = kinds[0]
    if kind is bool:
        return "true or false"
    if kind in {int, float}:
        return f"a {'whole ' if kind is int else ''}number{_range(info)}"
    return {Path: "a path"}.get(kind, "a text")


def _explained(error: Any) -> str:
    name = str(error["loc"][0])
    info = Environment.model_fields[name]
    if error["type"] == "value_error":
        return f"{variable_of(name)}: {error['ctx']['error']}"
    shown = "set to something else" if name in SECRETS else f'"{error["input"]}"'
    default = "" if info.default is None else f", or leave it out for {_plain(info.default)}"
    return f"{variable_of(name)} ({info.description}) must be {expected(name)}, but is {shown}: change it{default}"


def _check_order(environment: Environment) -> None:
    for larger, smaller, factor in _ORDER:
        if getattr(environment, larger) < factor * getattr(environment, smaller):
            times = f"{factor:g} times " if factor != 1 else ""
            raise ConfigurationError(
                f"{variable_of(larger)} ({getattr(environment, larger):g}) must be at least {times}"
                f"{variable_of(smaller)} ({getattr(environment, smaller):g}): raise the first or lower the second"
            )


def _kinds(annotation: Any) -> tuple[Any, ...]:
    members = get_args(annotation)
    return members if members and not isinstance(annotation, type) else (annotation,)


def _choices(kinds: list[Any]) -> list[str]:
    if all(isinstance(kind, str) for kind in kinds):
        return [str(kind) for kind in kinds]
    kind = kinds[0]
    return [str(member.value) for member in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []


def _range(info: FieldInfo) -> str:
    bounds = {edge: getattr(part, edge) for part in info.metadata for edge in ("ge", "le") if hasattr(part, edge)}
    return f" from {bounds['ge']:g} to {bounds['le']:.10g}" if {"ge", "le"} <= bounds.keys() else ""


def _plain(value: object) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)
