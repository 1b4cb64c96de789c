"""The rule "abstract or final": a class has abstract methods, or nothing derives from it."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator

from structure_source import Finding, Source

__all__ = ["abstract_or_final"]

# Bases made to be derived from: by name where they come from outside, Module as our one open base.
_OPEN_BASES = frozenset(
    {
        "BaseModel",
        "Enum",
        "Exception",
        "Flag",
        "IntEnum",
        "Module",
        "NamedTuple",
        "Protocol",
        "RuntimeError",
        "StrEnum",
        "TypedDict",
        "TypeError",
        "UserWarning",
        "ValueError",
        "Warning",
    }
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True, eq=False)
class _Class:
    source: Source
    node: ast.ClassDef
    imports: dict[str, str]

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def base_names(self) -> list[str]:
        return [name for name in map(_last_name, self.node.bases) if name is not None]

    @property
    def methods(self) -> dict[str, _Function]:
        return {item.name: item for item in self.node.body if isinstance(item, _Function)}

    @property
    def abstract(self) -> set[str]:
        """Abstract methods and abstract fields (equinox's AbstractVar) that it declares."""
        methods = {name for name, node in self.methods.items() if _is_abstract(node)}
        return methods | {
            item.target.id
            for item in self.node.body
            if isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and "AbstractVar" in ast.unparse(item.annotation)
        }

    @property
    def assigned(self) -> set[str]:
        """Class attributes: these too make an abstract method concrete."""
        names: set[str] = set()
        for item in self.node.body:
            targets = item.targets if isinstance(item, ast.Assign) else []
            if isinstance(item, ast.AnnAssign):
                targets = [item.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        return names


def abstract_or_final(sources: list[Source]) -> Iterator[Finding]:
    """A class is abstract or final, and an implemented method is not overridden.

    Exempt: Module, exceptions, Enum, NamedTuple, Protocol, pydantic's BaseModel; constructors and
    other dunder methods; a method whose def line says ``# open: <reason>``.
    """
    classes = [_class for source in sources for _class in _classes(source)]
    by_name: dict[str, list[_Class]] = {}
    for item in classes:
        by_name.setdefault(item.name, []).append(item)
    for item in classes:
        for base in _bases(item, by_name):
            if not _is_open(base, by_name) and not _unimplemented(base, by_name):
                yield Finding(
                    item.source.path,
                    item.node.lineno,
                    "abstract-or-final",
                    f"{item.name} derives from {base.name}, which has no abstract method",
                    "hold an instance of it instead, or move the shared part to functions",
                )
        yield from _overrides(item, by_name)


def _overrides(item: _Class, by_name: dict[str, list[_Class]]) -> Iterator[Finding]:
    for name, node in item.methods.items():
        if name.startswith("__") and name.endswith("__"):
            continue
        for ancestor in _ancestors(item, by_name):
            method = ancestor.methods.get(name)
            if method is None or _is_abstract(method) or _is_marked_open(ancestor.source, method):
                continue
            yield Finding(
                item.source.path,
                node.lineno,
                "no-override",
                f"{item.name}.{name} overrides {ancestor.name}.{name}, which is implemented",
                "make the method abstract or compose; '# open: <reason>' on a hook of the base",
            )
            break


def _classes(source: Source) -> Iterator[_Class]:
    imports = {
        alias.asname or alias.name: node.module
        for node in source.nodes
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            yield _Class(source, node, imports)


def _bases(item: _Class, by_name: dict[str, list[_Class]]) -> list[_Class]:
    """Return the bases defined in these sources."""
    found = (_resolve(name, item, by_name) for name in item.base_names)
    return [base for base in found if base is not None]


def _resolve(name: str, user: _Class, by_name: dict[str, list[_Class]]) -> _Class | None:
    candidates = [item for item in by_name.get(name, []) if item is not user]
    here = [item for item in candidates if item.source is user.source]
    if here:
        return here[0]
    origin = user.imports.get(name)
    if origin is not None:
        # A package re-exports from its modules, so the origin is a prefix of the true module.
        for item in candidates:
            if item.source.module.startswith(origin):
                return item
        return None
    return candidates[0] if candidates else None


def _ancestors(item: _Class, by_name: dict[str, list[_Class]]) -> list[_Class]:
    found: list[_Class] = []
    waiting = _bases(item, by_name)
    while waiting:
        base = waiting.pop(0)
        if base not in found:
            found.append(base)
            waiting += _bases(base, by_name)
    return found


def _is_open(item: _Class, by_name: dict[str, list[_Class]]) -> bool:
    """Whether deriving is what the class is for: one of the open bases, or an exception."""
    if item.name in _OPEN_BASES:
        return True
    lineage = [item, *_ancestors(item, by_name)]
    return any(
        name in _OPEN_BASES - {"Module", "Enum", "IntEnum", "StrEnum", "Flag"}
        for ancestor in lineage
        for name in ancestor.base_names
    )


def _unimplemented(item: _Class, by_name: dict[str, list[_Class]]) -> set[str]:
    names = set(item.abstract)
    for base in _bases(item, by_name):
        concrete = (set(item.methods) - item.abstract) | item.assigned
        names |= _unimplemented(base, by_name) - concrete
    return names


def _is_abstract(node: _Function) -> bool:
    decorators = {_last_name(decorator) for decorator in node.decorator_list}
    if decorators & {"abstractmethod", "abstractproperty"}:
        return True
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) != 1 or not isinstance(body[0], ast.Raise) or body[0].exc is None:
        return False
    raised = body[0].exc
    return _last_name(raised.func if isinstance(raised, ast.Call) else raised) == (
        "NotImplementedError"
    )


def _is_marked_open(source: Source, node: _Function) -> bool:
    return source.has_reason("open", node.lineno - 1, node.body[0].lineno - 1)


def _last_name(node: ast.expr) -> str | None:
    """Return ``c`` for ``a.b.c``, for ``c`` and for ``c[T]``."""
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
