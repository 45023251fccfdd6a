"""Load over HTTP, made by h2load (of nghttp2): a program in C, which takes little of the machine."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.dev.system_package import ProgramFailed, has_apt, install

_WARM_UP_SECONDS = 2
_PACKAGE = "nghttp2-client"
_HOW_TO_GET_IT = f"h2load is needed to make the load: sudo apt-get install --no-install-recommends {_PACKAGE}"


class BenchError(Exception):
    """Nothing can be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of a load generator gave: calls that succeeded in a second, how many did not, and their latencies.

    These are 0 where the generator does not tell them.
    """

    calls_per_second: float
    errors: int
    p50_ms: float = 0
    p99_ms: float = 0


def obtain_h2load() -> None:
    """Return when h2load is there; where it is not and apt can install it, install it first.

    Raises:
        BenchError: it is not there and cannot be installed; the message says how to get it.
    """
    if shutil.which("h2load") is None and has_apt():
        try:
            install(_PACKAGE, "for the load of measurements")
        except ProgramFailed as error:
            msg = f"{error}\n{_HOW_TO_GET_IT}"
            raise BenchError(msg) from None
    if shutil.which("h2load") is None:
        raise BenchError(_HOW_TO_GET_IT)


def post_load(url: str, body: object, folder: Path, *, connections: int, seconds: int) -> Report:
    """Send POSTs with ``body`` over HTTP/1.1, each connection the next when the last is answered.

    A warm-up of two seconds comes first and is not counted.

    Raises:
        BenchError: h2load failed.
    """
    path = folder / "body.json"
    path.write_text(json.dumps(body))
    command = ["h2load", "--h1", "-t", "1", "-c", str(connections), "-D", str(seconds)]
    command += ["--warm-up-time", str(_WARM_UP_SECONDS), "-d", str(path), "-H", "content-type: application/json", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answered = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    if answered is None or failed is None:
        raise BenchError(f"h2load failed: {done.stdout}{done.stderr}")
    succeeded, *others = map(int, answered.groups())
    # h2load counts an answer that is no 2xx as failed too.
    return Report(succeeded / seconds, max(sum(others), int(failed[1])))
