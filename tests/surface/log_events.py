"""The log events: level and keys, from every logging call in the source.

The reader supports these forms, and raises ``UnsupportedForm`` for any other, so that it misses no event:

- ``_log = structlog.get_logger(__name__)`` at the top of a module, and ``_log.warning("event", key=value)``.
- ``self._refused = RepeatedWarning("event")``, and in the same class ``self._refused.count(key=value)``.
- ``logging.getLogger(__name__).warning("event")``.

It also resolves keys that are not written in the call itself: it follows a parameter ``**named`` to the calls of its
function, ``**fields(...)`` to the dictionary that the function returns, and ``**{self._name: value}`` to the
constructor's argument.
"""

import ast
import inspect
import json
import logging
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import structlog

from server.observability.logs import RepeatedWarning, log_context
from tests.support.programs import ROOT
from tests.surface.sources import Source, UnsupportedForm, calls_of, sources

_LEVELS = {name: name for name in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}
_CONFIGURATION_METHODS = {"addFilter", "setLevel"}

_EXCEPTION = "exception"
"""The key under which ``exc_info`` logs an error and its stack."""


class LoggedEvent(NamedTuple):
    """An event of one logging call."""

    event: str
    level: str
    keys: set[str]


@dataclass
class _Event:
    levels: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


def log_events() -> dict[str, Any]:
    """Return the events by name, and the keys that all events have."""
    program = sources("server", "tools")
    events: defaultdict[str, _Event] = defaultdict(_Event)
    for event, level, keys in chain.from_iterable(map(logged_events, program)):
        events[event].levels.add(level)
        events[event].keys |= keys
    return {
        "(every event)": {"keys": sorted(_keys_of_every_event())},
        "(every event of a call)": {"keys": sorted(set(chain.from_iterable(map(_context_keys, program))))},
        **{
            name: {"level": " or ".join(sorted(event.levels)), "keys": sorted(event.keys)}
            for name, event in events.items()
        },
    }


def _keys_of_every_event() -> set[str]:
    code = "import structlog; from server.observability import logs; logs.configure_logs('json', 'info'); "
    code += "structlog.get_logger().info('event')"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return set(json.loads(result.stdout))


def _context_keys(source: Source) -> Iterator[str]:
    """Yield the keys that a module adds to every event of a call."""
    for name in source.nodes(ast.Name):
        if source.value(name) is not log_context or isinstance(name.ctx, ast.Store):
            continue
        call = source.parents[source.parents[name]]
        if not isinstance(call, ast.Call):
            raise UnsupportedForm(source, call, "the log context is used other than by get and set")
        match call:
            case ast.Call(func=ast.Attribute(attr="set"), args=[ast.Dict() as fields]):
                yield from _keys_of_context(source, fields)
            case ast.Call(func=ast.Attribute(attr="get")):
                pass
            case _:
                raise UnsupportedForm(source, call, "the log context is not set to a literal dictionary")


def _keys_of_context(source: Source, fields: ast.Dict) -> Iterator[str]:
    for key, value in zip(fields.keys, fields.values, strict=True):
        if key is not None:
            yield from _texts(source, key)
        elif ast.unparse(value) != "log_context.get()":
            raise UnsupportedForm(source, value, "the log context extends something other than itself")


def logged_events(source: Source) -> Iterator[LoggedEvent]:
    """Yield the events that a module logs.

    Raises:
        UnsupportedForm: the module logs in an unknown form.
    """
    loggers: set[str] = set()
    for node in chain(source.nodes(ast.Name), source.nodes(ast.Attribute)):
        creation = source.parents[node]
        if not (isinstance(creation, ast.Call) and creation.func is node):
            continue
        factory = source.value(node)
        if factory is structlog.get_logger:
            loggers.add(_variable(source, creation))
        elif factory is logging.getLogger:
            yield from _events_of_standard_logger(source, creation)
        elif factory is RepeatedWarning:
            yield from _events_of_repeated_warning(source, creation)
    for logger in loggers:
        yield from _events_of_logger(source, logger)
    _check_no_other_logs(source, loggers)


def _check_no_other_logs(source: Source, loggers: set[str]) -> None:
    """Check that every method call named like a level is on a known logger."""
    for call in source.nodes(ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(attr=method, value=logger), args=[_, *_]) if method in _LEVELS:
                is_standard_logger = isinstance(logger, ast.Call) and source.value(logger.func) is logging.getLogger
                if not (is_standard_logger or (isinstance(logger, ast.Name) and logger.id in loggers)):
                    raise UnsupportedForm(source, call, "a logging call on an unknown logger")


def _variable(source: Source, creation: ast.Call) -> str:
    match source.parents[creation]:
        case ast.Assign(targets=[ast.Name(id=name)]) as assignment if assignment in source.tree.body:
            return name
    raise UnsupportedForm(source, creation, "a logger that is not a variable of its module")


def _events_of_logger(source: Source, logger: str) -> Iterator[LoggedEvent]:
    for name in source.nodes(ast.Name):
        if name.id != logger or isinstance(name.ctx, ast.Store):
            continue
        method = source.parents[name]
        call = source.parents[method]
        if not (isinstance(method, ast.Attribute) and isinstance(call, ast.Call) and call.func is method):
            raise UnsupportedForm(source, call, "a logger that is not called directly")
        if method.attr not in _LEVELS or len(call.args) != 1:
            raise UnsupportedForm(source, call, "expected a level, an event, and fields by name")
        if source.enclosing_class(call) is RepeatedWarning:
            continue  # see _events_of_repeated_warning
        keys = set(_keys(source, call))
        if method.attr == "exception" or "exc_info" in keys:
            keys = keys - {"exc_info"} | {_EXCEPTION}
        for event in _texts(source, call.args[0]):
            yield LoggedEvent(event, _LEVELS[method.attr], keys)


def _events_of_standard_logger(source: Source, creation: ast.Call) -> Iterator[LoggedEvent]:
    match source.parents[creation], source.parents[source.parents[creation]]:
        case ast.Attribute(attr=method), ast.Call(args=[event], keywords=[]) if method in _LEVELS:
            yield from (LoggedEvent(text, _LEVELS[method], set()) for text in _texts(source, event))
        case ast.Attribute(attr=method), ast.Call() if method in _CONFIGURATION_METHODS:
            pass
        case _:
            raise UnsupportedForm(source, creation, "a standard logger that is not called directly")


def _events_of_repeated_warning(source: Source, creation: ast.Call) -> Iterator[LoggedEvent]:
    """Yield the event of a ``RepeatedWarning`` with the keys of all calls of ``count``."""
    match source.parents[creation], creation.args:
        case ast.Assign(targets=[ast.Attribute() as attribute]), [event]:
            attribute_name = ast.unparse(attribute)
        case _:
            raise UnsupportedForm(source, creation, "a RepeatedWarning that is not stored in an attribute")
    count_calls = [
        call
        for call in source.nodes(ast.Call)
        if ast.unparse(call.func) == f"{attribute_name}.count"
        and source.enclosing_class(call) is source.enclosing_class(creation)
    ]
    if not count_calls:
        raise UnsupportedForm(source, creation, "a RepeatedWarning that its class does not count")
    level, own_keys = _repeated_warning_form()
    keys = own_keys.union(*(_keys(source, call) for call in count_calls))
    yield from (LoggedEvent(text, level, keys) for text in _texts(source, event))


def _repeated_warning_form() -> tuple[str, set[str]]:
    """Return the level of repeated warnings, and the keys that they add to those passed to ``count``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(RepeatedWarning)))
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LEVELS
    )
    assert isinstance(call.func, ast.Attribute)
    return _LEVELS[call.func.attr], {keyword.arg for keyword in call.keywords if keyword.arg is not None}


def _keys(source: Source, call: ast.Call) -> Iterator[str]:
    """Yield the names of the fields in a call."""
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg
        else:
            yield from _unpacked_keys(source, keyword.value)


def _unpacked_keys(source: Source, value: ast.expr) -> Iterator[str]:
    """Yield the keys of a ``**`` argument."""
    match value:
        case ast.Dict(keys=keys):
            for key in keys:
                if key is None:
                    raise UnsupportedForm(source, value, "a dictionary inside a dictionary of fields")
                yield from _texts(source, key)
        case ast.Name(id=name):
            yield from _keys_of_parameter(source, value, name)
        case ast.Call(func=ast.Name(id=name)) if (function := source.function(name)) is not None:
            for statement in (node for node in ast.walk(function) if isinstance(node, ast.Return)):
                if statement.value is None:
                    raise UnsupportedForm(source, statement, "a function of fields that returns nothing")
                yield from _unpacked_keys(source, statement.value)
        case _:
            raise UnsupportedForm(source, value, "unknown keys")


def _keys_of_parameter(source: Source, value: ast.expr, name: str) -> Iterator[str]:
    """Yield the names passed for a function's ``**`` parameter in all its calls."""
    function = source.enclosing_function(value)
    if function is None or function.args.kwarg is None or function.args.kwarg.arg != name:
        raise UnsupportedForm(source, value, "unknown keys")
    parameters = {parameter.arg for parameter in (*function.args.args, *function.args.kwonlyargs)}
    for caller, call in calls_of(source, function):
        yield from set(_keys(caller, call)) - parameters


def _texts(source: Source, value: ast.expr) -> Iterator[str]:
    """Yield every text that an expression can evaluate to."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(source, body)
            yield from _texts(source, orelse)
        case ast.Attribute(value=ast.Name(id="self")):
            yield from _texts_of_attribute(source, value)
        case ast.Name(id=name):
            yield from _texts_of_parameter(source, value, name)
        case _:
            raise UnsupportedForm(source, value, "unknown text")


def _texts_of_parameter(source: Source, value: ast.expr, name: str) -> Iterator[str]:
    """Yield every text passed for a function's keyword-only parameter in all its calls."""
    function = source.enclosing_function(value)
    if function is None or name not in {parameter.arg for parameter in function.args.kwonlyargs}:
        raise UnsupportedForm(source, value, "unknown text")
    for caller, call in calls_of(source, function):
        yield from chain.from_iterable(
            _texts(caller, keyword.value) for keyword in call.keywords if keyword.arg == name
        )


def _texts_of_attribute(source: Source, attribute: ast.Attribute) -> Iterator[str]:
    """Yield every text passed for an attribute that the constructor sets to its only argument."""
    owner = source.enclosing(attribute, ast.ClassDef)
    function = (
        None
        if owner is None
        else next((node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None)
    )
    if owner is None or function is None or len(function.args.args) != len(("self", "text")):
        raise UnsupportedForm(source, attribute, "unknown text")
    expected = f"{ast.unparse(attribute)} = {function.args.args[1].arg}"
    if expected not in map(ast.unparse, function.body):
        raise UnsupportedForm(source, attribute, "unknown text")
    for factory, call in calls_of(source, owner):
        yield from _texts(factory, call.args[0])
