"""The SQL of the documentation turns raw prices into adjusted ones, in DuckDB and PostgreSQL, filled by PyAirbyte.

Before and after a split, its split-adjusted closes are those of the adjusted `stock_prices`; after a dividend, its total
return is what a calculation by hand gives.
"""

import os
import re
import tempfile

os.environ |= {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", "TZ": "UTC"}

import airbyte

from caches import caches
from fake_api import BINARY, ROOT, FakeApi
from postgres import Postgres


def main():
    page = (ROOT / "docs" / "stock-ticker-api.md").read_text()
    (view,) = re.findall(r"```sql\n(CREATE OR REPLACE VIEW.*?)```", page, re.DOTALL)
    view = re.sub(r"\b(adjusted_prices|market_\w+)\b", r"prices.\1", view)
    with FakeApi() as api, Postgres() as server, tempfile.TemporaryDirectory() as folder:
        databases = caches(server, folder)
        # Events of another ticker, so that the tables exist from the beginning.
        api.split("TSLA", "2020-12-15", 5)
        api.dividend("TSLA", "2020-12-15", 1)

        def check(what: str, total_return: dict):
            for kind, cache in databases.items():
                source = airbyte.get_source(
                    "source-stock-ticker-api",
                    local_executable=BINARY,
                    config=api.config(stock_ticker="AAPL", start_date="2023-01-03", end_date="2023-01-10"),
                )
                source.select_streams(["stock_prices", "market_prices", "market_splits", "market_dividends"])
                source.read(cache=cache)
                with cache.get_sql_engine().begin() as connection:
                    connection.exec_driver_sql(view)
                rows = cache.run_sql_query(
                    "SELECT view.date, as_traded, split_adjusted, total_return, price FROM prices.adjusted_prices AS view "
                    "JOIN prices.stock_prices AS bars ON bars.stock_ticker = view.stock_ticker AND bars.date = view.date"
                )
                assert len(rows) == 6, rows
                for row in rows:
                    day, adjusted = str(row["date"])[:10], float(row["price"])
                    assert abs(float(row["split_adjusted"]) - adjusted) < 0.005, row
                    expected = total_return.get(day, adjusted)
                    assert abs(float(row["total_return"]) - expected) < 0.005, (row, expected)
                print(f"ok: {what}, {kind}: {len(rows)} rows equal the adjusted prices", flush=True)

        check("prices without events", {})
        api.split("AAPL", "2023-01-06", 2)
        check("prices before and after a split", {})
        # 129.62 on the day before: every holder of a share at that price has 0.50 more the day after.
        api.dividend("AAPL", "2023-01-09", 0.5)
        factor = (129.62 - 0.5) / 129.62
        before = {"2023-01-03": 125.07, "2023-01-04": 126.36, "2023-01-05": 125.02}
        check(
            "the total return of a dividend",
            {day: price / 2 * factor for day, price in before.items()} | {"2023-01-06": 129.12},
        )


if __name__ == "__main__":
    main()
