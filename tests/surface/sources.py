"""The parsed source of the service, for subjects that cannot be observed at run time."""

import ast
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

Node = TypeVar("Node", bound=ast.AST)
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class UnsupportedForm(Exception):
    """The source has a form that the reader does not support. Write it differently, or extend the reader."""

    def __init__(self, source: "Source", node: ast.AST, why: str) -> None:
        """Describe the place, the reason and the code."""
        super().__init__(f"{source.path}:{getattr(node, 'lineno', 0)}: {why}: {ast.unparse(node)}")


@dataclass(frozen=True, eq=False)
class Source:
    """A module: its syntax tree, and its namespace after its import."""

    path: str
    tree: ast.Module
    names: Mapping[str, Any]
    parents: Mapping[ast.AST, ast.AST]

    def nodes(self, kind: type[Node]) -> Iterator[Node]:
        """Yield every node of a kind."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kind))

    def enclosing(self, node: ast.AST, kind: type[Node]) -> Node | None:
        """Return the innermost node of a kind that contains ``node``."""
        outer = self.parents.get(node)
        while outer is not None and not isinstance(outer, kind):
            outer = self.parents.get(outer)
        return outer

    def enclosing_function(self, node: ast.AST) -> Function | None:
        """Return the innermost function that contains ``node``."""
        outer = self.parents.get(node)
        while outer is not None and not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            outer = self.parents.get(outer)
        return outer

    def enclosing_class(self, node: ast.AST) -> object:
        """Return the innermost class that contains ``node``, if it is one of the module's."""
        owner = self.enclosing(node, ast.ClassDef)
        return None if owner is None else self.names.get(owner.name)

    def function(self, name: str) -> Function | None:
        """Return the function with this name."""
        functions = (node for node in self.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        return next((function for function in functions if function.name == name), None)

    def value(self, node: ast.AST) -> Any:  # noqa: ANN401 - any value
        """Return the value of a global name or of its attribute, or None if there is none."""
        match node:
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                return getattr(self.names.get(name), attribute, None)
        return None


def calls_of(source: Source, target: Function | ast.ClassDef) -> list[tuple[Source, ast.Call]]:
    """Return every call of a function or class, each with its module, but no calls of methods."""
    return _calls()[source.names[target.name]] if target in source.tree.body else []


@cache
def sources(*packages: str) -> tuple[Source, ...]:
    """Return the modules of the packages."""
    return tuple(_source(module) for package in packages for module in _modules(package))


@cache
def _calls() -> defaultdict[object, list[tuple[Source, ast.Call]]]:
    calls: defaultdict[object, list[tuple[Source, ast.Call]]] = defaultdict(list)
    for source in sources("server", "tools"):
        for call in source.nodes(ast.Call):
            if callable(called := source.value(call.func)):
                calls[called].append((source, call))
    return calls


def _modules(package: str) -> Iterator[ModuleType]:
    parent = importlib.import_module(package)
    yield parent
    for found in pkgutil.walk_packages(parent.__path__, f"{package}."):
        yield importlib.import_module(found.name)


def _source(module: ModuleType) -> Source:
    assert module.__file__ is not None
    return parse(module.__file__, Path(module.__file__).read_text("utf-8"), vars(module))


def parse(path: str, text: str, names: Mapping[str, Any]) -> Source:
    """Parse a module, whose namespace after its import is ``names``."""
    tree = ast.parse(text)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    return Source(path, tree, names, parents)
