"""The connector as a PyAirbyte source against the demo's fake API: all streams, into DuckDB and PostgreSQL.

A first read, a read of nothing new, new days, a split and a correction. After each, the tables are compared in SQL with
what the API answers to a plain client, and the number of records with the number of rows that differ from before.
"""

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from caches import caches
from fake_api import BINARY, ROOT, FakeApi
from postgres import Postgres

# The demo has a few days of each of them.
AAPL, TSLA = ("AAPL", "2023-01-03"), ("TSLA", "2020-12-01")
CATALOG = json.loads((ROOT / "integration_tests" / "configured_catalog_all.json").read_text())
# Splits and dividends have a script of their own.
CURSORS = {
    entry["stream"]["name"]: entry["stream"]["default_cursor_field"][0]
    for entry in CATALOG["streams"]
    if entry["stream"]["source_defined_primary_key"] != [["id"]]
}
# The markets that the API's grouped endpoint is asked for.
MARKETS = {
    "market_prices": "us/market/stocks",
    "crypto_market_prices": "global/market/crypto",
    "forex_market_prices": "global/market/fx",
}


def timespan_of(stream: str) -> str | None:
    """The API's multiplier and timespan of a stream of bars: `5/minute` of `stock_prices_by_5_minutes`."""
    if stream in MARKETS:
        return None
    name = re.fullmatch(r"stock_prices(?:_by_(?:(\d+)_)?([a-z]+?)s?)?", stream)
    assert name, f"{stream}: this script does not know how to request it from the API"
    return f"{name[1] or 1}/{name[2] or 'day'}"


BARS = {stream: timespan_of(stream) for stream in CURSORS}
# The API's names of the fields that are compared.
FIELDS = {"price": "c", "open": "o", "high": "h", "low": "l", "volume": "v"}


def scenario():
    import airbyte

    with FakeApi() as api, Postgres() as server, tempfile.TemporaryDirectory() as folder:
        databases = caches(server, folder)

        def read(cache, streams: list, ticker: str, first_day: str, last_day: str) -> int:
            source = airbyte.get_source(
                "source-stock-ticker-api",
                local_executable=BINARY,
                config=api.config(stock_ticker=ticker, start_date=first_day, end_date=last_day),
            )
            source.check()
            assert set(source.get_available_streams()) >= set(CURSORS), source.get_available_streams()
            source.select_streams(streams)
            return source.read(cache=cache).processed_records

        reads = 0
        before = {name: {} for name in CURSORS}

        def expect(what: str, last_day: str, days=AAPL, streams=tuple(CURSORS), without_market=()):
            """`without_market`: changed days that the stream of the whole market does not request again on the same day."""
            nonlocal before, reads
            after = before | {name: before[name] | truth(api, name, *days, last_day) for name in streams}
            for key in [key for key in after["market_prices"] if key[1] in without_market]:
                after["market_prices"][key] = before["market_prices"][key]
            changed = {(name, key) for name, rows in after.items() for key, row in rows.items() if before[name].get(key) != row}
            # Of a market, all rows of a day are emitted again.
            days_of_markets = {(name, key[1]) for name, key in changed if name in MARKETS}
            news = sum(
                (name, key) in changed or (name, key[1]) in days_of_markets for name, rows in after.items() for key in rows
            )
            for kind, cache in databases.items():
                records = read(cache, list(streams), *days, last_day)
                for name, rows in after.items():
                    actual = table(cache, name)
                    assert actual == rows, f"{what}, {kind}, {name}:\n{actual}\nand not\n{rows}"
                assert records == news, f"{what}, {kind}: {records} records, and not {news}"
                print(f"ok: {what}, {kind}: {records} records, {sum(map(len, after.values()))} rows", flush=True)
                reads += 1
            before = after

        expect("a first read", "2023-01-06")
        expect("a read of nothing new", "2023-01-06")
        expect("a read of new days", "2023-01-09")
        # Two shares for one from the 10th on: every bar before is read again at half its price.
        api.split("AAPL", "2023-01-10", 2)
        expect("a read after a split", "2023-01-10")
        api.correct("day", "AAPL", "2023-01-05", 125.5)
        api.correct("day", "AAPL", "2023-01-10", 131.5)
        expect("a read after two corrections", "2023-01-10", without_market=["2023-01-05"])
        expect("another ticker's month", "2020-12-31", TSLA, ["stock_prices_by_month"])
    print(f"PyAirbyte: {reads} reads passed, 0 failed")


def truth(api: FakeApi, stream: str, ticker: str, first_day: str, last_day: str) -> dict:
    """What the table should hold, as the API answers it: rows by ticker and cursor."""
    rows = {}
    if BARS[stream]:
        path = f"/v2/aggs/ticker/{ticker}/range/{BARS[stream]}/{first_day}/{last_day}"
        for bar in api.get(path + "?adjusted=true&sort=asc&limit=50000"):
            begin = utc(bar["t"])
            cursor = str(begin.date()) if CURSORS[stream] == "date" else begin.isoformat()
            if str(last_day_of(BARS[stream], begin.date())) <= last_day:
                rows[ticker, cursor] = tuple(number(bar[name]) for name in FIELDS.values())
    else:
        for day in days_between(first_day, last_day):
            for bar in api.get(f"/v2/aggs/grouped/locale/{MARKETS[stream]}/{day}?adjusted=false"):
                rows[bar["T"], str(day)] = tuple(number(bar[name]) for name in FIELDS.values())
    return rows


def last_day_of(timespan: str, first_day: datetime.date) -> datetime.date:
    if timespan == "1/week":
        return first_day + datetime.timedelta(days=6)
    if timespan == "1/month":
        return (first_day + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
    return first_day


def days_between(first: str, last: str):
    day = datetime.date.fromisoformat(first)
    while str(day) <= last:
        yield day
        day += datetime.timedelta(days=1)


def table(cache, stream: str) -> dict:
    """The rows of a stream's table, by ticker and cursor; none if there is no table."""
    found = cache.run_sql_query(
        f"SELECT count(*) AS tables FROM information_schema.tables WHERE table_schema = 'prices' AND table_name = '{stream}'"
    )
    if found[0]["tables"] == 0:
        return {}
    cursor = CURSORS[stream]
    fields = ", ".join(FIELDS)
    rows = cache.run_sql_query(f"SELECT stock_ticker, {cursor}, {fields} FROM prices.{stream}")
    result = {
        (row["stock_ticker"], text(row[cursor], cursor)): tuple(number(row[field]) for field in FIELDS) for row in rows
    }
    assert len(rows) == len(result), f"{stream}: a bar is there twice"
    return result


def text(value, cursor: str) -> str:
    if cursor == "date":
        return str(value)[:10]
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return value.astimezone(datetime.timezone.utc).isoformat()


def utc(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)


def number(value) -> float:
    return round(float(value), 6)


def main():
    """Runs the scenario in a process of its own, so that all that it prints and logs can be looked at."""
    with tempfile.TemporaryDirectory() as logs:
        offline = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", "AIRBYTE_LOGGING_ROOT": logs, "TZ": "UTC"}
        process = subprocess.Popen(
            [sys.executable, "-B", __file__, "scenario"],
            env=os.environ | offline, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith(("ok:", "PyAirbyte:")):
                print(line, end="", flush=True)
        failed = process.wait() != 0
        logged = [path.read_text(errors="replace") for path in Path(logs).rglob("*") if path.is_file()]
        if failed or any("Traceback" in text for text in ["".join(printed), *logged]):
            sys.exit("".join(printed) + "".join(logged) + "\nPyAirbyte: the scenario failed, or printed a traceback")


if __name__ == "__main__":
    scenario() if sys.argv[1:] == ["scenario"] else main()
