"""Checks ``.env``: finds the line of each setting, and the lines that are not settings.

Pydantic reads the values and ignores unknown names. Without this check, a misspelled name would leave its setting at
the default: a mistyped ``ANONYMOUS_ROLES`` would give anonymous callers every role. No message shows a value, or text
that may be one.
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
"""UTF-8, with or without the byte order mark that some editors add."""

_PASSWORDS = frozenset(f"MYSQL_{account}_PASSWORD" for account in ("ARCHIVER", "BACKUP", "MIGRATOR", "ROOT", "SERVICE"))
"""Read by ``docker-compose.yml`` and ``deploy/sql/passwords.sh``."""

_CLIENT = frozenset(
    {"PAYMENTS_API_KEY", "PAYMENTS_CA_FILE", "PAYMENTS_CERT_FILE", "PAYMENTS_KEY_FILE", "PAYMENTS_TARGET"}
)
"""Read by ``payments charge`` and similar commands, if a shell exports the file."""

_COMPOSE = frozenset(
    {
        *("COMPOSE_ANSI", "COMPOSE_BAKE", "COMPOSE_CONVERT_WINDOWS_PATHS", "COMPOSE_DISABLE_ENV_FILE"),
        *("COMPOSE_ENV_FILES", "COMPOSE_EXPERIMENTAL", "COMPOSE_FILE", "COMPOSE_IGNORE_ORPHANS", "COMPOSE_MENU"),
        *("COMPOSE_PARALLEL_LIMIT", "COMPOSE_PATH_SEPARATOR", "COMPOSE_PROFILES", "COMPOSE_PROGRESS"),
        *("COMPOSE_PROJECT_NAME", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_STATUS_STDOUT"),
        *("DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_DEFAULT_PLATFORM", "DOCKER_HOST", "DOCKER_TLS_VERIFY"),
    }
)
"""Docker Compose's own variables, which it reads from the same file."""

OTHERS = _PASSWORDS | _CLIENT | _COMPOSE
"""The names that the file may contain in addition to settings of the service."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}|[a-z][a-z0-9_]{0,63}")
"""Names that a message may show if they resemble a setting. Any other text may be part of a multi-line secret."""

_MIN_SIMILARITY = 0.6
"""How similar a name must be to a setting, from 0 to 1, for the setting to be suggested."""

_MIN_SIMILARITY_IN_ENVIRONMENT = 0.85
"""The same for environment variables. Other programs use these too, so only one or two letters may differ."""


class EnvFile(NamedTuple):
    """The line number of each name (in upper case), and the problems of the file, one line of text for each."""

    lines: Mapping[str, int]
    problems: list[str]


def read_env_file(settings: Collection[str]) -> EnvFile:
    """Read and check the names in ``.env``; ``settings`` are the allowed names, in upper case.

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
        return None  # a comment or an empty line
    if binding.key is None or binding.value is None:
        return "must be NAME=VALUE; a value that contains spaces or # must be in quotation marks"
    name = binding.key.upper()
    if name in lines:
        return f"{name} is already set on line {lines[name]}; remove one of the two"
    if name in settings or name in OTHERS:
        return None
    is_name = _NAME.fullmatch(binding.key)
    nearest = get_close_matches(name, [*settings, *OTHERS], 1, _MIN_SIMILARITY) if is_name else []
    if not nearest:
        return "the name before = is not a setting; .env.example lists all settings"
    return f"{binding.key} is not a setting; did you mean {nearest[0]}?"


def find_misspelled(environment: Mapping[str, str], settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each variable of an environment whose name resembles a setting, with the name of that setting.

    Such variables are not errors, because other programs use similar names, such as MYSQL_TCP_PORT. Variables that
    Kubernetes sets for a Service (MYSQL_1_PORT=tcp://...) are skipped.
    """
    for name, value in environment.items():
        if name.upper() in settings or name.upper() in OTHERS or value.startswith(("tcp://", "udp://", "sctp://")):
            continue
        for nearest in get_close_matches(name.upper(), settings, 1, _MIN_SIMILARITY_IN_ENVIRONMENT):
            yield name, nearest
