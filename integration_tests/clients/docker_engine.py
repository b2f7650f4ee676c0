"""A `docker` command for tests: the real one, or the tool in the variable IMAGE_TOOL, with containers on the host's network."""

import os
import shlex
import shutil
from pathlib import Path


def put_docker_before_others(folder: Path) -> str:
    """Writes the command to `folder`; returns a PATH that finds it first. Containers reach the fake API on loopback."""
    tool = shutil.which(os.environ.get("IMAGE_TOOL") or "docker") or "docker"
    engine = [str(Path(tool).absolute())] + (["docker"] if os.environ.get("IMAGE_TOOL") else [])
    docker = folder / "docker"
    docker.write_text(
        '#!/bin/sh\nif [ "$1" = run ]; then shift; set -- run --network host "$@"; fi\n'
        f'exec {shlex.join(engine)} "$@"\n'
    )
    docker.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
