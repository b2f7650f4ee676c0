"""metadata.yaml against Airbyte's own validators, those that need no image registry."""

import sys
from pathlib import Path

from airbyte_ops_mcp.metadata_validator import PRE_UPLOAD_VALIDATORS, ValidatorOptions, validate_and_load

ROOT = Path(__file__).resolve().parents[2]

options = ValidatorOptions(docs_path=str(ROOT / "docs" / "stock-ticker-api.md"), disable_dockerhub_checks=True)
_, problem = validate_and_load(ROOT / "metadata.yaml", PRE_UPLOAD_VALIDATORS, options)
if problem:
    sys.exit(f"metadata.yaml: {problem}")
print(f"metadata.yaml: {len(PRE_UPLOAD_VALIDATORS)} passed, 0 failed")
