"""Runs the README's commands, word for word and in order, against the demo's fake API.

Every `sh` block runs in a copy of the repository, every `python` block in this interpreter's environment. In the copy,
`secrets.example` has the fake API's address and key, and `cargo install` installs the binary that has been built already.
Other `cargo` commands are skipped because `.ci/run rust` runs them, and so are commands that need a Docker engine, a
cluster or a download. Mark blocks that can't run as `text`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fake_api import BINARY, ROOT, FakeApi

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The fake API has these days.
DAYS = {"stock_ticker": "AAPL", "start_date": "2023-01-03", "end_date": "2023-01-10"}
CARGO = f"""#!/bin/sh
case "$*" in
  install*--path*) ln -sf {BINARY} "$(dirname "$0")/source-stock-ticker-api" ;;
  test | bench | "run --example demo") echo "skipped: cargo $*" ;;
  *) echo "no stand-in for: cargo $*" >&2; exit 1 ;;
esac
"""
SKIPPED = ["docker", "kind", "pip", "git"]
# Gives every source the fake API's configuration, and the binary instead of the image.
PYTHON = """
import airbyte
get_source = airbyte.get_source
def get_source_of_fake_api(name, *, config, docker_image=None, **others):
    if docker_image:
        others["local_executable"] = name
    return get_source(name, config=config | {overrides!r}, **others)
airbyte.get_source = get_source_of_fake_api
"""


def main():
    with FakeApi() as api, tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        for name in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")[:-1]:
            if (ROOT / name).exists():
                (repository / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, repository / name)
        (repository / "secrets.example" / "config.json").write_text(json.dumps(api.config(**DAYS)))
        commands = Path(folder) / "bin"
        commands.mkdir()
        skip = '#!/bin/sh\necho "skipped: $(basename "$0") $*" >&2\n'
        for name, script in {"cargo": CARGO, **dict.fromkeys(SKIPPED, skip)}.items():
            (commands / name).write_text(script)
            (commands / name).chmod(0o755)
        environment = os.environ | {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
            "POLYGON_API_KEY": api.api_key,
            "AIRBYTE_LOGGING_ROOT": folder,
        }
        blocks = BLOCK.findall((ROOT / "README.md").read_text())
        assert blocks, "the README has no commands"
        for kind, block in blocks:
            print(f"== README, {kind}:\n{block}", flush=True)
            if kind == "sh":
                command = ["bash", "-euo", "pipefail", "-c", block]
            else:
                command = [sys.executable, "-B", "-c", PYTHON.format(overrides=api.config(**DAYS)) + block]
            ended = subprocess.run(
                command, cwd=repository, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, timeout=120,
            )
            failed = ended.returncode != 0 or '"status":"FAILED"' in ended.stdout
            if failed:
                sys.exit(f"{ended.stdout}\nthe README's block failed with exit code {ended.returncode}:\n{block}")
    print(f"README: {len(blocks)} passed, 0 failed")


if __name__ == "__main__":
    main()
