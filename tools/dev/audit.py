"""``make audit``: look all locked packages up in the database of known vulnerabilities at osv.dev.

Exits 0 when none has one, 1 when some have, and 3 when the database could not be asked: then nothing is known. It is
asked directly because its own program, osv-scanner, needs a newer Go than the project has.
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

NONE_KNOWN = 0
SOME_KNOWN = 1
NOT_ASKED = 3

_ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_SECONDS = 30.0
_QUERIES_AT_ONCE = 500
"""The database takes 1,000."""


class DatabaseUnavailable(Exception):
    """The database cannot be asked, or its answer cannot be used."""


def audit(packages: Iterable[Package], database: str = DATABASE) -> int:
    """Print which packages have known vulnerabilities; return the exit code that says so."""
    asked = sorted(packages)
    try:
        found = _vulnerabilities(asked, database)
        details = {
            name: _get(f"{database}/v1/vulns/{name}")
            for name in sorted({one for each in found.values() for one in each})
        }
    except DatabaseUnavailable as error:
        print(
            f"NOT AUDITED: the database of vulnerabilities at {database} could not be asked: {error}. Nothing is known."
        )
        return NOT_ASKED
    for package, names in found.items():
        print(f"{package.ecosystem} {package.name} {package.version}")
        for name in names:
            print(f"  {_described(details[name], package)}")
    counts = Counter(package.ecosystem for package in asked)
    looked_up = ", ".join(f"{count} of {ecosystem}" for ecosystem, count in sorted(counts.items()))
    print(f"{len(found)} of {len(asked)} locked packages have known vulnerabilities ({looked_up}).")
    return SOME_KNOWN if found else NONE_KNOWN


def _vulnerabilities(packages: Sequence[Package], database: str) -> dict[Package, list[str]]:
    """Return the names of the vulnerabilities of each package that has some.

    Raises:
        DatabaseUnavailable: the database cannot be asked.
    """
    found: dict[Package, list[str]] = {}
    queries = [(package, "") for package in packages]
    while queries:
        batch, queries = queries[:_QUERIES_AT_ONCE], queries[_QUERIES_AT_ONCE:]
        results = _post(f"{database}/v1/querybatch", {"queries": [_query(*each) for each in batch]}).get("results")
        if not isinstance(results, list) or len(results) != len(batch):
            raise DatabaseUnavailable("it did not answer for each package")
        for (package, _), result in zip(batch, results, strict=True):
            names = [one["id"] for one in result.get("vulns", ())]
            if names:
                found.setdefault(package, []).extend(names)
            if token := result.get("next_page_token"):
                queries.append((package, token))
    return found


def _query(package: Package, page_token: str) -> dict[str, object]:
    named = {"ecosystem": package.ecosystem, "name": package.name}
    page = {"page_token": page_token} if page_token else {}
    return {"package": named, "version": package.version, **page}


def _described(record: Mapping[str, Any], package: Package) -> str:
    """Return a line about a vulnerability of a package: its name and CVE, where it is fixed, and what it is."""
    affected = (each for each in record.get("affected", ()) if each["package"]["name"] == package.name)
    events = [event for each in affected for span in each.get("ranges", ()) for event in span.get("events", ())]
    versions = sorted({event["fixed"] for event in events if "fixed" in event})
    fixed = f"fixed in {', '.join(versions)}" if versions else "not fixed"
    cves = "".join(f" ({alias})" for alias in record.get("aliases", ()) if alias.startswith("CVE-"))
    return f"{record['id']}{cves}; {fixed}: {record.get('summary', 'no summary')}"


def _post(url: str, body: object) -> dict[str, Any]:
    return _ask(urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}))  # noqa: S310 - https, or a test's own


def _get(url: str) -> dict[str, Any]:
    return _ask(urllib.request.Request(url))  # noqa: S310 - likewise


def _ask(request: urllib.request.Request) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as reply:  # noqa: S310 - likewise
            answer = json.load(reply)
    except (OSError, ValueError) as error:
        raise DatabaseUnavailable(str(getattr(error, "reason", error))) from None
    if not isinstance(answer, dict):
        raise DatabaseUnavailable("it answered with no JSON object")
    return answer


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.audit", description=__doc__)
    parser.add_argument("--database", default=DATABASE, help="where the database's API is (%(default)s)")
    arguments = parser.parse_args()
    try:
        packages = locked_packages(_ROOT)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"NOT AUDITED: the locked packages could not be listed: {error}")
        sys.exit(NOT_ASKED)
    sys.exit(audit(packages, arguments.database))


if __name__ == "__main__":
    main()
