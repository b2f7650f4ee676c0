"""Airbyte's standard source tests, from the airbyte-cdk package, run against the binary.

The scenarios are those of acceptance-test-config.yml. Where it names secrets/config.json, a configuration for the demo's
fake API takes its place, and the wrong key of invalid_config.json is tried there, too: in a copy of the few files that
the tests read, so that nobody's own secrets are touched.

The image tests (`-m image_tests --connector-image IMAGE`) run an image that is already built with `docker`, or the tool
that the variable IMAGE_TOOL names.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase, _job_runner

from docker_engine import put_docker_before_others
from fake_api import BINARY, ROOT, FakeApi


class Binary:
    """Stands where the tests expect a source's object; the commands are run by `run_binary`."""

    def spec(self, logger):
        raise NotImplementedError("the binary answers `spec`")


def run_binary(source, args, expecting_exception=None, *, expected_outcome=None):
    """Takes the place of the function that calls a Python source."""
    ended = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=60)
    output = entrypoint_wrapper.EntrypointOutput(messages=ended.stdout.splitlines(), command=args, stderr=ended.stderr)
    assert ended.stderr == "", f"stderr is shown to users as an error: {ended.stderr}"
    assert (ended.returncode == 0) == (not output.errors), "a failure is a TRACE ERROR and a non-zero exit code"
    return output


class TestSourceStockTickerApi(SourceTestSuiteBase):
    connector = Binary

    @classmethod
    def get_connector_root_dir(cls):
        return COPY


@pytest.fixture(autouse=True)
def binary_instead_of_python(monkeypatch):
    monkeypatch.setattr(_job_runner.entrypoint_wrapper, "_run_command", run_binary)


@pytest.fixture(autouse=True)
def docker_on_the_hosts_network(monkeypatch, tmp_path):
    """Puts a `docker` before the real one that lets containers reach the fake API on loopback."""
    monkeypatch.setenv("PATH", put_docker_before_others(tmp_path))


def copy_with_fake_api(api: FakeApi):
    """Copies what the tests read, under the connector's name."""
    copy = Path(tempfile.mkdtemp()) / ROOT.name
    copy.mkdir()
    for name in ["metadata.yaml", "acceptance-test-config.yml", "spec.json"]:
        shutil.copy(ROOT / name, copy)
    (copy / "integration_tests").mkdir()
    (copy / "secrets").mkdir()
    for file in (ROOT / "integration_tests").glob("*.json"):
        shutil.copy(file, copy / "integration_tests")
    example = json.loads((ROOT / "secrets.example" / "config.json").read_text())
    config = example | api.config(start_date="2023-01-03", end_date="2023-01-10")
    (copy / "secrets" / "config.json").write_text(json.dumps(config))
    invalid = copy / "integration_tests" / "invalid_config.json"
    invalid.write_text(json.dumps({**json.loads(invalid.read_text()), "api_url": api.api_url}))
    return copy


API = FakeApi().__enter__()
COPY = copy_with_fake_api(API)


def teardown_module():
    API.__exit__()
    shutil.rmtree(COPY.parent)
