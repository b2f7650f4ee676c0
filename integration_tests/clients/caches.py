"""PyAirbyte's caches in DuckDB and in a PostgreSQL server."""

import os
from pathlib import Path

from postgres import DATABASE, USER, Postgres


def caches(server: Postgres, folder: str) -> dict:
    """Caches by the name of their database, both with the schema `prices`; DuckDB's files are in `folder`."""
    from airbyte.caches import DuckDBCache, PostgresCache

    # Without a host, PostgreSQL's library takes PGHOST, which may be a folder.
    os.environ["PGHOST"] = server.socket_folder
    return {
        "DuckDB": DuckDBCache(db_path=Path(folder) / "tables.duckdb", schema_name="prices", cache_dir=f"{folder}/1"),
        "PostgreSQL": PostgresCache(
            host="", port=5432, username=USER, password="", database=DATABASE, schema_name="prices",
            cache_dir=f"{folder}/2",
        ),
    }
