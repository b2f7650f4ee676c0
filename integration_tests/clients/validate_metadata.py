"""metadata.yaml, the documentation page and the files for the acceptance tests, against what Airbyte demands of them.

The first two by Airbyte's own checks, those that need no network; the third by the rules of the acceptance tests at high
strictness, which need Docker and a key.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import yaml
from airbyte_ops_mcp.connector_qa.checks import documentation
from airbyte_ops_mcp.connector_qa.models import CheckStatus
from airbyte_ops_mcp.metadata_validator import PRE_UPLOAD_VALIDATORS, ValidatorOptions, validate_and_load

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "stock-ticker-api.md"
# Checks that can't be met: links are looked up, and Airbyte Cloud runs no custom images.
SKIPPED = {"CheckDocumentationLinks", "CheckForAirbyteCloudSectionContent"}

options = ValidatorOptions(docs_path=str(PAGE), disable_dockerhub_checks=True)
_, problem = validate_and_load(ROOT / "metadata.yaml", PRE_UPLOAD_VALIDATORS, options)
if problem:
    sys.exit(f"metadata.yaml: {problem}")
print(f"metadata.yaml: {len(PRE_UPLOAD_VALIDATORS)} passed, 0 failed")

metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
spec = json.loads((ROOT / "spec.json").read_text())
if spec["documentationUrl"] != metadata["documentationUrl"]:
    sys.exit("spec.json and metadata.yaml have another documentationUrl")
connector = SimpleNamespace(
    name_from_metadata=metadata["name"],
    technical_name=metadata["dockerRepository"].removeprefix("airbyte/"),
    version=metadata["dockerImageTag"],
    metadata=metadata,
    documentation_file_path=PAGE,
    connector_spec_file_content=spec,
)
checks = [check for check in documentation.ENABLED_CHECKS if type(check).__name__ not in SKIPPED]
# Not `run`: it leaves out connectors that are not written in Python.
results = [check._run(connector) for check in checks]
failures = [f"{result.check.name}: {result.message}" for result in results if result.status != CheckStatus.PASSED]
if failures:
    sys.exit("\n".join(["The documentation does not pass:", *failures]))
print(f"documentation: {len(checks)} passed, 0 failed")


def acceptance_problems():
    tests = ROOT / "integration_tests"
    high = yaml.safe_load((ROOT / "acceptance-test-config.high.yml").read_text())["acceptance_tests"]
    catalog = json.loads((tests / "configured_catalog_all.json").read_text())
    streams = {entry["stream"]["name"] for entry in catalog["streams"]}
    expected = [json.loads(line) for line in (tests / "expected_records.jsonl").read_text().splitlines()]
    (read,) = high["basic_read"]["tests"]
    if "configured_catalog_path" in read:
        yield "at high strictness, basic_read names no catalog of its own"
    if not all(stream.get("bypass_reason") for stream in read["empty_streams"]):
        yield "an empty stream has no reason"
    if streams != {stream["name"] for stream in read["empty_streams"]} ^ {record["stream"] for record in expected}:
        yield "a stream has neither expected records nor a reason for being empty, or both"
    future = {
        state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"]
        for state in json.loads((tests / "future_state.json").read_text())
    }
    if streams != future.keys():
        yield "future_state.json has other streams than the catalog"
    tickers = {record["data"]["stock_ticker"] for record in expected}
    if any(tickers != state.keys() for name, state in future.items() if name != "market_prices"):
        yield f"future_state.json is of other tickers than {tickers}"


if problems := list(acceptance_problems()):
    sys.exit("\n".join(["The files of the acceptance tests do not agree:", *problems]))
print("acceptance tests' files: passed")
