"""The demo's fake API, for clients written in Python."""

import json
import subprocess
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
        self._process.stdin.write(f"split {ticker} {first_day} {ratio}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"

    def config(self, **properties) -> dict:
        return {"api_url": self.api_url, "api_key": self.api_key, **properties}
