"""The demo's fake API, for clients written in Python."""

import json
import subprocess
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "debug" / "source-stock-ticker-api"
DEMO = ROOT / "target" / "debug" / "examples" / "demo"


class FakeApi:
    """Serves while it is entered; `cargo build --bins --examples` must have built it."""

    def __enter__(self):
        self._process = subprocess.Popen([DEMO, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        address = json.loads(self._process.stdout.readline())
        self.api_url, self.api_key = address["api_url"], address["api_key"]
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def split(self, ticker: str, first_day: str, ratio: int):
        """Makes a split known, from its first day on."""
        self._tell(f"split {ticker} {first_day} {ratio}")

    def dividend(self, ticker: str, ex_day: str, amount: float):
        """Announces a dividend."""
        self._tell(f"dividend {ticker} {ex_day} {amount}")

    def correct(self, timespan: str, ticker: str, day: str, close: float):
        """Gives the bar of a day another close."""
        self._tell(f"correct {timespan} {ticker} {day} {close}")

    def config(self, **properties) -> dict:
        return {"api_url": self.api_url, "api_key": self.api_key, **properties}

    def get(self, path: str) -> list[dict]:
        """The rows that the API answers to a client that asks for `path`."""
        request = urllib.request.Request(self.api_url + path, headers={"Authorization": f"Bearer {self.api_key}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response).get("results") or []

    def _tell(self, line: str):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer == "ok\n", f"{line}: {answer!r}"
