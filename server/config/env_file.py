"""The file ``.env``: on which line each setting is, and which lines are none.

Pydantic reads the values and skips what it does not know. Without this check, a misspelt name would leave its setting
at the default: a mistyped ``ANONYMOUS_ROLES`` would let everybody in. No message shows a value, or what may be one.
"""

import io
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from dotenv.parser import Binding, parse_stream

PATH = Path(".env")
ENCODING = "utf-8-sig"
"""UTF-8; the mark that some editors put before it belongs to no name."""

_PASSWORDS = frozenset(f"MYSQL_{account}_PASSWORD" for account in ("ARCHIVER", "BACKUP", "MIGRATOR", "ROOT", "SERVICE"))
"""For ``docker-compose.yml`` and ``deploy/sql/passwords.sh``."""

_CALLER = frozenset({"PAYMENTS_API_KEY", "PAYMENTS_CA_FILE", "PAYMENTS_TARGET"})
"""For ``payments charge`` and the like, where a shell reads the file."""

_COMPOSE = frozenset(
    {
        *("COMPOSE_ANSI", "COMPOSE_BAKE", "COMPOSE_CONVERT_WINDOWS_PATHS", "COMPOSE_DISABLE_ENV_FILE"),
        *("COMPOSE_ENV_FILES", "COMPOSE_EXPERIMENTAL", "COMPOSE_FILE", "COMPOSE_IGNORE_ORPHANS", "COMPOSE_MENU"),
        *("COMPOSE_PARALLEL_LIMIT", "COMPOSE_PATH_SEPARATOR", "COMPOSE_PROFILES", "COMPOSE_PROGRESS"),
        *("COMPOSE_PROJECT_NAME", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_STATUS_STDOUT"),
        *("DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_DEFAULT_PLATFORM", "DOCKER_HOST", "DOCKER_TLS_VERIFY"),
    }
)
"""Docker Compose's own, which it reads from the same file."""

OTHERS = _PASSWORDS | _CALLER | _COMPOSE
"""What may be in the file besides settings of the service."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}|[a-z][a-z0-9_]{0,63}")
"""What can be a name, and is shown if a setting's is like it. Other text may be part of a secret of several lines."""

_ALIKE = 0.6
"""How alike two names are, from 0 to 1, for one to be suggested for the other."""

_MISSPELT = 0.85
"""The same for names of the environment, which holds those of other programs: one or two letters differ."""


class EnvFile(NamedTuple):
    """The line of each name in the file, in upper case, and what is wrong with the file, a line of text for each."""

    lines: Mapping[str, int]
    problems: list[str]


def read_env_file(settings: Collection[str]) -> EnvFile:
    """Read which names are in ``.env``; ``settings`` are those that may be, in upper case.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    if not PATH.is_file():
        return EnvFile({}, [])
    lines: dict[str, int] = {}
    problems = []
    for binding in parse_stream(io.StringIO(PATH.read_text(ENCODING))):
        text = binding.original.string
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        problem = _problem(binding, lines, settings)
        if problem is not None:
            problems.append(f"{PATH} line {line}: {problem}")
        elif binding.key is not None:
            lines[binding.key.upper()] = line
    return EnvFile(lines, problems)


def _problem(binding: Binding, lines: Mapping[str, int], settings: Collection[str]) -> str | None:
    if not binding.error and binding.key is None:
        return None  # a comment, or nothing
    if binding.key is None or binding.value is None:
        return "must be NAME=VALUE; a value with spaces or # needs quotation marks, which must be closed"
    name = binding.key.upper()
    if name in lines:
        return f"{name} is on line {lines[name]} already; remove one of the two"
    if name in settings or name in OTHERS:
        return None
    nearest = get_close_matches(name, [*settings, *OTHERS], 1, _ALIKE) if _NAME.fullmatch(binding.key) else []
    if not nearest:
        return "the name before = is no setting; .env.example lists them all"
    return f"{binding.key} is no setting; did you mean {nearest[0]}?"


def misspelt(environment: Mapping[str, str], settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the names in an environment that are nearly a setting's, each with that.

    It holds variables of other programs too, such as MYSQL_TCP_PORT, so that none can be refused. What Kubernetes sets
    for a Service that is named like a setting (MYSQL_1_PORT=tcp://...) is none.
    """
    for name, value in environment.items():
        if name.upper() in settings or name.upper() in OTHERS or value.startswith(("tcp://", "udp://", "sctp://")):
            continue
        for nearest in get_close_matches(name.upper(), settings, 1, _MISSPELT):
            yield name, nearest
