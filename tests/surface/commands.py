"""The ``payments`` commands: arguments, options and help texts, which also document the exit codes."""

import enum
from collections.abc import Iterator
from importlib.metadata import distribution
from typing import Any, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from tools.cli.main import app


def commands() -> dict[str, Any]:
    """Return every command by its full name, such as ``payments keys create``."""
    (program,) = distribution("payments-server").entry_points.select(group="console_scripts").names
    return dict(_commands(program, typer.main.get_command(app)))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - Typer does not export the type
    visible = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [parameter for parameter in visible if isinstance(parameter, TyperArgument)]
    options = [parameter for parameter in visible if isinstance(parameter, TyperOption)]
    yield (
        name,
        {
            "help": " ".join((command.help or "").split()),
            "arguments": [
                {argument.metavar or (argument.name or "").upper(): _describe(argument)} for argument in arguments
            ],
            "options": {"/".join([*option.opts, *option.secondary_opts]): _describe(option) for option in options},
        },
    )
    if isinstance(command, TyperGroup):
        for subcommand_name, subcommand in command.commands.items():
            yield from _commands(f"{name} {subcommand_name}", subcommand)


def _describe(parameter: TyperArgument | TyperOption) -> dict[str, Any]:
    facts = {
        "type": _type(parameter.type_descriptor.annotation),
        "help": parameter.help,
        "metavar": parameter.metavar,
        "environment variable": parameter.envvar,
        "default": _default(parameter.default),
        "minimum": parameter.min,
        "maximum": parameter.max,
        "required": parameter.required or None,
        "repeatable": parameter.multiple or parameter.nargs != 1 or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _type(annotation: Any) -> object:  # noqa: ANN401 - any type
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    if issubclass(annotation, enum.Enum):
        return [member.value for member in annotation]
    return annotation.__name__.lower()


def _default(value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value
