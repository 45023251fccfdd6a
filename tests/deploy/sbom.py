"""The package list that ``make sbom`` writes."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.programs import ROOT


def make_sbom(path: Path) -> dict[str, Any]:
    """Run ``make sbom`` with ``path``, and return the list."""
    command = ["make", "--no-print-directory", "sbom", f"SBOM={path}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    sbom: dict[str, Any] = json.loads(path.read_bytes())
    return sbom
