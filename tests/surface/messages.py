"""The messages of errors, from every place in the source that creates one."""

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain, product

from server.domain.errors import FieldViolation, InvalidRequest, InvalidValue, PaymentsError
from tests.surface.sources import Function, Source, UnsupportedForm, calls_of, sources

_TEXTS = {"message", "description"}
"""The parameters of errors and violations that hold a message."""

_LISTS = {"violations", "detail"}
"""The parameters that hold a list of violations, each of which is found on its own."""

_UNKNOWN = "{}"
"""The placeholder for a part that is known only at run time."""


def messages() -> dict[type, set[str]]:
    """Return the messages of each error class. Descriptions of violations belong to ``InvalidRequest``.

    A message copied from another error is found where that error is created.
    """
    found: defaultdict[type, set[str]] = defaultdict(set)
    for kind, text in chain.from_iterable(map(messages_in, sources("server"))):
        found[kind].add(text)
    return found


def messages_in(source: Source) -> Iterator[tuple[type, str]]:
    """Yield the messages of the errors that a module creates, each with the class of the error.

    Raises:
        UnsupportedForm: a message cannot be found.
    """
    for call in source.nodes(ast.Call):
        kind = source.value(call.func)
        if isinstance(kind, type) and issubclass(kind, PaymentsError | FieldViolation):
            error = InvalidRequest if issubclass(kind, FieldViolation | InvalidValue) else kind
            yield from ((error, text) for text in _messages(source, kind, call) if text != _UNKNOWN)


def parameters_of(kind: type) -> dict[str, inspect.Parameter]:
    """Return the parameters of an error or a violation. An exception without its own constructor takes a message."""
    constructor = next(vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base))
    if inspect.isfunction(constructor):
        return dict(inspect.signature(kind).parameters)
    return {"message": inspect.Parameter("message", inspect.Parameter.POSITIONAL_ONLY)}


def _messages(source: Source, kind: type, call: ast.Call) -> set[str]:
    """Return every message with which a call can create an error."""
    arguments = dict(zip(parameters_of(kind), call.args, strict=False))
    arguments |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    texts = [value for name, value in arguments.items() if name in _TEXTS]
    if not texts and not arguments.keys() & _LISTS:
        raise UnsupportedForm(source, call, "an error without a message")
    found = set().union(*(_texts(source, value) for value in texts))
    is_variable = any(isinstance(value, ast.Name) for value in texts)
    if is_variable and not found and not _is_error(source.enclosing_class(call)):
        raise UnsupportedForm(source, call, "the message cannot be found")
    return found


def _is_error(kind: object) -> bool:
    """Return whether a class is an error, whose constructor passes on messages that its callers define."""
    return isinstance(kind, type) and issubclass(kind, PaymentsError)


def _texts(source: Source, value: ast.expr) -> set[str]:
    """Return every text that an expression can evaluate to, as far as the source shows it."""
    match value:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.JoinedStr(values=parts):
            return {"".join(chosen) for chosen in product(*(_part(source, part) for part in parts))}
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return {"".join(chosen) for chosen in product(_texts(source, left), _texts(source, right))}
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(source, body) | _texts(source, orelse)
        case ast.Name(id=name) if (function := source.enclosing_function(value)) is not None:
            return _texts_of_variable(source, function, name)
    return set()


def _part(source: Source, part: ast.expr) -> set[str]:
    match part:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.FormattedValue(value=value, format_spec=spec) if spec is None or isinstance(spec, ast.JoinedStr):
            constant = source.value(value)
            if isinstance(constant, str | int | float | Decimal):
                return {format(constant, "" if spec is None else _specification(spec))}
            return _texts(source, value) or {_UNKNOWN}
    return {_UNKNOWN}


def _specification(spec: ast.JoinedStr) -> str:
    return "".join(str(part.value) for part in spec.values if isinstance(part, ast.Constant))


def _texts_of_variable(source: Source, function: Function, name: str) -> set[str]:
    """Return the texts assigned to a local variable, or passed for a parameter in calls of the function."""
    texts = {
        text
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == name for target in node.targets)
        for text in _texts(source, node.value)
    }
    parameters = [argument.arg for argument in function.args.args]
    if name not in parameters:
        return texts
    index = parameters.index(name)
    return texts.union(
        *(_texts(caller, call.args[index]) for caller, call in calls_of(source, function) if len(call.args) > index)
    )
