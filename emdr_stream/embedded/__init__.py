"""Takes a data folder, gives the addresses of a Redis-protocol server and a PostgreSQL that live as long as we do."""

from emdr_stream.embedded.binaries import FoundBinary, Source, StoreName, probe_binaries
from emdr_stream.embedded.folder import default_data_dir, running_stores
from emdr_stream.embedded.process import StoreExit
from emdr_stream.embedded.record import StoreAddresses
from emdr_stream.embedded.stores import EmbeddedStores

__all__ = [
    "EmbeddedStores",
    "FoundBinary",
    "Source",
    "StoreAddresses",
    "StoreExit",
    "StoreName",
    "default_data_dir",
    "probe_binaries",
    "running_stores",
]
