"""`EMDR_…` variables and a `.env` file go in, frozen settings come out; a bad value stops the start and is named."""

from emdr_stream.environment.grouping import (
    data_dir_of,
    database_url_of,
    load_settings,
    service_settings,
    token_settings,
)
from emdr_stream.environment.reading import ENV_FILE, expected, read_environment, unknown_variables
from emdr_stream.environment.variables import SECRETS, Environment, variable_of

__all__ = [
    "ENV_FILE",
    "SECRETS",
    "Environment",
    "data_dir_of",
    "database_url_of",
    "expected",
    "load_settings",
    "read_environment",
    "service_settings",
    "token_settings",
    "unknown_variables",
    "variable_of",
]
