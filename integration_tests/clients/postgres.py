"""A PostgreSQL server of its own: data and socket in a temporary folder, no port, gone afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

USER = DATABASE = "prices"


class Postgres:
    """Runs while it is entered. The server refuses to run as root: then it runs as Debian's user postgres, or as nobody."""

    def __enter__(self):
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._identity = {}
        if os.geteuid() == 0:
            account = unprivileged_account()
            os.chown(self._folder, account.pw_uid, account.pw_gid)
            self._identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = self._folder / "data"
        self._run("initdb", "--pgdata", data, "--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        options = ["-c", "listen_addresses=", "-c", "fsync=off"]
        self._server = subprocess.Popen(
            [tool("postgres"), "-D", data, "-k", self._folder, *options],
            stdout=subprocess.DEVNULL, stderr=(self._folder / "log").open("w"), cwd=self._folder, **self._identity,
        )
        deadline = time.monotonic() + 30
        while subprocess.run([tool("pg_isready"), "-q", "-h", self._folder]).returncode != 0:
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.1)
        self._run("createdb", "-h", self._folder, "-U", USER, DATABASE)
        return self

    def __exit__(self, *_):
        self._server.send_signal(signal.SIGINT)
        self._server.wait(timeout=30)
        shutil.rmtree(self._folder)

    @property
    def socket_folder(self) -> str:
        return str(self._folder)

    def _run(self, name: str, *arguments):
        ended = subprocess.run(
            [tool(name), *arguments], capture_output=True, text=True, cwd=self._folder, **self._identity
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{name} failed:\n{ended.stdout}{ended.stderr}")


def tool(name: str) -> str:
    """A program of PostgreSQL; Debian keeps the server's outside PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    if found is None:
        raise FileNotFoundError(f"{name} is not there; install PostgreSQL (Debian: apt-get install postgresql)")
    return found


def unprivileged_account() -> pwd.struct_passwd:
    names = {account.pw_name: account for account in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
