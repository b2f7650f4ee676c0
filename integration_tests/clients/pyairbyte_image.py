"""The image as a PyAirbyte source (`docker_image=`) against the demo's fake API, into DuckDB."""

import os
import sys
import tempfile
from pathlib import Path

from docker_engine import put_docker_before_others
from fake_api import FakeApi


def main(image: str):
    with FakeApi() as api, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"PATH": put_docker_before_others(Path(folder)), "AIRBYTE_LOGGING_ROOT": folder}
        import airbyte
        from airbyte.caches import DuckDBCache

        cache = DuckDBCache(db_path=Path(folder) / "prices.duckdb", cache_dir=f"{folder}/cache")

        def read(last_day: str) -> tuple[int, int]:
            """Returns the number of records, and of rows in the table afterwards."""
            source = airbyte.get_source(
                "source-stock-ticker-api",
                docker_image=image,
                config=api.config(stock_ticker="AAPL", start_date="2023-01-03", end_date=last_day),
                streams=["stock_prices"],
            )
            source.check()
            result = source.read(cache=cache)
            return result.processed_records, len(result["stock_prices"].to_pandas())

        assert (first := read("2023-01-06")) == (4, 4), f"a first read: {first}"
        assert (second := read("2023-01-10")) == (2, 6), f"a read of two new days: {second}"
    print("PyAirbyte with the image: 2 reads passed, 0 failed")


if __name__ == "__main__":
    main(sys.argv[1])
