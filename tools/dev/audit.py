"""``make audit``: look up all locked packages in the vulnerability database at osv.dev.

Exits with 0 if no package has a known vulnerability, with 1 if some have, and with 3 if the packages could not be
listed or the database could not be queried. It uses the database's API, because osv-scanner needs a newer Go than the
project.
"""

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.dev.locked_packages import Package, locked_packages

DATABASE = "https://api.osv.dev"

NONE_VULNERABLE = 0
SOME_VULNERABLE = 1
NOT_AUDITED = 3

_ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_SECONDS = 30.0
_MAX_BATCH_QUERIES = 500
"""The API allows 1,000."""


class DatabaseUnavailable(Exception):
    """The database cannot be queried, or its response is invalid."""


def audit(packages: Iterable[Package], database: str = DATABASE) -> int:
    """Print the packages with known vulnerabilities, and return the exit code."""
    ordered = sorted(packages)
    try:
        vulnerable = _vulnerabilities(ordered, database)
        records = {
            name: _get(f"{database}/v1/vulns/{name}")
            for name in sorted({name for names in vulnerable.values() for name in names})
        }
    except DatabaseUnavailable as error:
        print(f"NOT AUDITED: cannot query the vulnerability database at {database}: {error}. No result is available.")
        return NOT_AUDITED
    for package, names in vulnerable.items():
        print(f"{package.ecosystem} {package.name} {package.version}")
        for name in names:
            print(f"  {_description(records[name], package)}")
    counts = Counter(package.ecosystem for package in ordered)
    by_ecosystem = ", ".join(f"{count} of {ecosystem}" for ecosystem, count in sorted(counts.items()))
    print(f"{len(vulnerable)} of {len(ordered)} locked packages have known vulnerabilities ({by_ecosystem}).")
    return SOME_VULNERABLE if vulnerable else NONE_VULNERABLE


def _vulnerabilities(packages: Sequence[Package], database: str) -> dict[Package, list[str]]:
    """Return the names of the vulnerabilities of each vulnerable package.

    Raises:
        DatabaseUnavailable: the database cannot be queried, or its response is invalid.
    """
    vulnerable: dict[Package, list[str]] = {}
    queries = [(package, "") for package in packages]
    while queries:
        batch, queries = queries[:_MAX_BATCH_QUERIES], queries[_MAX_BATCH_QUERIES:]
        results = _post(f"{database}/v1/querybatch", {"queries": [_query(*each) for each in batch]}).get("results")
        if not isinstance(results, list) or len(results) != len(batch):
            raise DatabaseUnavailable("the response does not have a result for each package")
        for (package, _), result in zip(batch, results, strict=True):
            names = [vulnerability["id"] for vulnerability in result.get("vulns", ())]
            if names:
                vulnerable.setdefault(package, []).extend(names)
            if token := result.get("next_page_token"):
                queries.append((package, token))
    return vulnerable


def _query(package: Package, page_token: str) -> dict[str, object]:
    key = {"ecosystem": package.ecosystem, "name": package.name}
    page = {"page_token": page_token} if page_token else {}
    return {"package": key, "version": package.version, **page}


def _description(record: Mapping[str, Any], package: Package) -> str:
    """Describe a vulnerability of a package in one line: its name, CVEs, fixed versions and summary."""
    affected = (each for each in record.get("affected", ()) if each["package"]["name"] == package.name)
    events = [event for each in affected for span in each.get("ranges", ()) for event in span.get("events", ())]
    versions = sorted({event["fixed"] for event in events if "fixed" in event})
    fixed = f"fixed in {', '.join(versions)}" if versions else "not fixed"
    cves = "".join(f" ({alias})" for alias in record.get("aliases", ()) if alias.startswith("CVE-"))
    return f"{record['id']}{cves}; {fixed}: {record.get('summary', 'no summary')}"


def _post(url: str, body: object) -> dict[str, Any]:
    return _send(urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}))  # noqa: S310 - https, or a test server


def _get(url: str) -> dict[str, Any]:
    return _send(urllib.request.Request(url))  # noqa: S310 - https, or a test server


def _send(request: urllib.request.Request) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - https, or a test server
            body = json.load(response)
    except (OSError, ValueError) as error:
        raise DatabaseUnavailable(str(getattr(error, "reason", error))) from None
    if not isinstance(body, dict):
        raise DatabaseUnavailable("the response is not a JSON object")
    return body


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.audit", description=__doc__)
    parser.add_argument("--database", default=DATABASE, help="URL of the database's API (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        packages = locked_packages(_ROOT)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"NOT AUDITED: cannot list the locked packages: {error}")
        sys.exit(NOT_AUDITED)
    sys.exit(audit(packages, arguments.database))


if __name__ == "__main__":
    main()
