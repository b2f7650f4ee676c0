"""The connector as a PyAirbyte source against the demo's fake API, into DuckDB.

Check, the catalog, a first read, a second one that adds exactly the new day, and a split; every time the table is
compared with the truth in SQL.
"""

import os
import tempfile
from pathlib import Path

os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

import airbyte
from airbyte.caches import DuckDBCache

from fake_api import BINARY, FakeApi

# Days and closes as the API answered them.
AAPL = {
    "2023-01-03": 125.07,
    "2023-01-04": 126.36,
    "2023-01-05": 125.02,
    "2023-01-06": 129.62,
    "2023-01-09": 130.15,
    "2023-01-10": 130.73,
}


def main():
    with FakeApi() as api, tempfile.TemporaryDirectory() as folder:
        cache = DuckDBCache(db_path=Path(folder) / "end_to_end.duckdb", schema_name="prices")

        def read(last_day: str) -> int:
            source = airbyte.get_source(
                "source-stock-ticker-api",
                local_executable=BINARY,
                config=api.config(stock_ticker="AAPL", start_date="2023-01-03", end_date=last_day),
            )
            source.check()
            streams = source.get_available_streams()
            assert streams == ["stock_prices", "stock_prices_by_hour", "stock_prices_by_minute", "market_prices"], streams
            source.select_streams(["stock_prices"])
            return source.read(cache=cache).processed_records

        def table() -> dict:
            rows = cache.run_sql_query("SELECT date, price FROM prices.stock_prices WHERE stock_ticker = 'AAPL'")
            assert len(rows) == len({row["date"] for row in rows}), "a day is there twice"
            return {str(row["date"])[:10]: float(row["price"]) for row in rows}

        def up_to(last_day: str) -> dict:
            return {day: close for day, close in AAPL.items() if day <= last_day}

        expect("the first read", (read("2023-01-06"), table()), (4, up_to("2023-01-06")))
        expect("a second read, of nothing new", (read("2023-01-06"), table()), (0, up_to("2023-01-06")))
        expect("a third read, of the new day", (read("2023-01-09"), table()), (1, up_to("2023-01-09")))

        # Two shares for one from the 10th on: every day before is read again at half its price.
        api.split("AAPL", "2023-01-10", 2)
        truth = {day: close if day >= "2023-01-10" else round(close / 2, 4) for day, close in AAPL.items()}
        expect("a read after a split", (read("2023-01-10"), table()), (6, truth))
        expect("a read after that, of nothing new", (read("2023-01-10"), table()), (0, truth))
    print("PyAirbyte: 5 reads passed, 0 failed")


def expect(what: str, actual: tuple, expected: tuple):
    assert actual == expected, f"{what}: {actual}, and not {expected}"
    print(f"ok: {what}: {actual[0]} records, {len(actual[1])} rows")


if __name__ == "__main__":
    main()
