"""Check the rules of structure that no linter knows.

    python tools/check_structure.py             all findings, exit status 1 if there is one
    python tools/check_structure.py --explain   what each rule asks for, and why

Each rule is a function of the files; its docstring is what --explain prints.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from class_rules import abstract_or_final
from structure_source import Finding, Source

__all__ = ["check", "main"]

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = frozenset({"base", "common", "helper", "helpers", "misc", "util", "utils"})
TEXT_SUFFIXES = frozenset(
    {".cc", ".cff", ".cu", ".h", ".html", ".j2", ".json", ".md", ".py", ".sh", ".toml", ".txt"}
    | {".yaml", ".yml", ""}
)
# Free text, not a choice among known words: these may have a string default or be compared.
TEXT_PARAMETERS = frozenset({"name", "path", "prefix", "source", "text", "title", "unit"})
# The outer edge, where names come in as text and are looked up once.
EDGE_FOLDERS = frozenset({"cli", "io"})
_MACHINE_PATH = re.compile(
    r"(?<![\w.~/:-])/(?:" + "|".join(("home", "root", "tmp", "work", "Users", "mnt")) + r")/\w"
)

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def long_file(source: Source) -> Iterator[Finding]:
    """A Python file has at most 500 lines: one concept, one file.

    Say ``# long: <reason>`` in the first five lines where one file reads better.
    """
    count = len(source.lines)
    if count > MAX_FILE_LINES and not source.has_reason("long", 1, 5):
        what = f"{count} lines, at most {MAX_FILE_LINES}"
        yield Finding(source.path, 1, "long-file", what, "split it by concept")


def long_function(source: Source) -> Iterator[Finding]:
    """A function has at most 60 lines, its docstring counted.

    Say ``# long: <reason>`` on the def line or the line above where one function reads better.
    """
    for node in source.nodes:
        if not isinstance(node, _Function):
            continue
        count = (node.end_lineno or node.lineno) - node.lineno + 1
        first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
        if count > MAX_FUNCTION_LINES and not source.has_reason("long", first - 1, node.lineno):
            what = f"{node.name} has {count} lines, at most {MAX_FUNCTION_LINES}"
            yield Finding(source.path, node.lineno, "long-function", what, "name its steps")


def string_option(source: Source) -> Iterator[Finding]:
    """Options are objects or bools, never strings.

    Looks for a parameter of type str or Literal with a string default, and for a parameter compared
    with a string. Exempt: cli and io, names of free text such as ``unit`` or ``prefix``, and a line
    that says ``# string: <reason>``.
    """
    if not source.in_package or EDGE_FOLDERS & set(source.parts):
        return
    for node in source.nodes:
        if isinstance(node, _Function):
            yield from _string_defaults(source, node)
            yield from _string_comparisons(source, node)


def explicit_exports(source: Source) -> Iterator[Finding]:
    """A public module of the package lists its names in ``__all__``; nothing is star-imported.

    Public functions and classes of the module stand in the list, and every listed name exists.
    """
    if not source.in_package:
        return
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            what = f"star import from {node.module}"
            yield Finding(source.path, node.lineno, "exports", what, "import the names")
    stem = PurePosixPath(source.path).stem
    if stem.startswith("_") and stem != "__init__":
        return
    listed = _listed_names(source.tree)
    if listed is None:
        yield Finding(source.path, 1, "exports", "no literal __all__", "list the public names")
        return
    defined = _top_level_names(source.tree)
    for name in sorted(listed - set(defined)):
        yield Finding(source.path, 1, "exports", f"__all__ lists {name!r}", "define or drop it")
    for name, node in defined.items():
        is_definition = isinstance(node, _Function | ast.ClassDef)
        if is_definition and not name.startswith("_") and name not in listed:
            what = f"{name} is public but not in __all__"
            yield Finding(source.path, node.lineno, "exports", what, "list it, or name it _" + name)


def file_name(source: Source) -> Iterator[Finding]:
    """A file or folder is named after its concept: no utils, misc, helpers, base, common."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part.lower() in FORBIDDEN_NAMES:
            what = f"the name {part!r} says nothing"
            yield Finding(source.path, 1, "file-name", what, "name it after the concept")


def ascii_only(source: Source) -> Iterator[Finding]:
    """Text is ASCII: names of symbols are spelt out (``eta``, ``um``)."""
    for number, line in enumerate(source.lines, start=1):
        if not line.isascii():
            odd = next(character for character in line if not character.isascii())
            what = f"character U+{ord(odd):04X}"
            yield Finding(source.path, number, "ascii", what, "spell it in ASCII")


def machine_path(source: Source) -> Iterator[Finding]:
    """No path of one machine stands in a tracked file; tests may name the temporary folder."""
    in_tests = source.parts[0] == "tests"
    for number, line in enumerate(source.lines, start=1):
        match = _MACHINE_PATH.search(line)
        if match is not None and not (in_tests and match.group().startswith("/tmp")):
            what = f"path of a machine, {match.group()!r}..."
            mend = "use a path relative to the repository, or an argument"
            yield Finding(source.path, number, "machine-path", what, mend)


def bare_except(source: Source) -> Iterator[Finding]:
    """No bare except: it also catches a keyboard interrupt."""
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield Finding(source.path, node.lineno, "bare-except", "bare except", "name the errors")


def no_assert(source: Source) -> Iterator[Finding]:
    """No assert in the package: it vanishes under ``python -O``, and its message helps nobody."""
    if not source.in_package:
        return
    for node in source.nodes:
        if isinstance(node, ast.Assert):
            mend = "raise ValueError or TypeError with name, got and expected"
            yield Finding(source.path, node.lineno, "assert", "assert statement", mend)


_Rule = Callable[[Source], Iterator[Finding]]
PYTHON_RULES: tuple[_Rule, ...] = (
    long_file,
    long_function,
    string_option,
    explicit_exports,
    bare_except,
    no_assert,
)
TEXT_RULES: tuple[_Rule, ...] = (file_name, ascii_only, machine_path)


def check(sources: list[Source]) -> list[Finding]:
    """Return the findings of all rules, in the order of the files."""
    findings: list[Finding] = []
    parsed: list[Source] = []
    for source in sources:
        for rule in TEXT_RULES:
            findings += rule(source)
        if not source.is_python:
            continue
        try:
            _ = source.tree
        except SyntaxError as error:
            what = f"no Python: {error.msg}"
            findings.append(Finding(source.path, error.lineno or 1, "syntax", what, "mend it"))
            continue
        parsed.append(source)
        for rule in PYTHON_RULES:
            findings += rule(source)
    findings += abstract_or_final([source for source in parsed if source.in_package])
    return sorted(findings)


def main(arguments: list[str] | None = None) -> int:
    """Run the check; return the exit status."""
    parser = argparse.ArgumentParser(description="Check the rules of structure.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--explain", action="store_true", help="print what each rule asks for")
    options = parser.parse_args(arguments)
    if options.explain:
        for rule in (abstract_or_final, *PYTHON_RULES, *TEXT_RULES):
            print(f"{rule.__name__}: {rule.__doc__}")
        return 0
    findings = check(_read_sources(options.root))
    for finding in findings:
        print(finding)
    print(f"structure: {len(findings)} findings")
    return 1 if findings else 0


def _read_sources(root: Path) -> list[Source]:
    sources = []
    for path in _listed_files(root):
        suffix = PurePosixPath(path).suffix
        if suffix in TEXT_SUFFIXES and (root / path).is_file():
            text = (root / path).read_text(encoding="utf-8", errors="replace")
            sources.append(Source(path, text))
    return sources


def _listed_files(root: Path) -> list[str]:
    """Return the files git tracks or would track; without git, all files outside hidden folders."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
    try:
        answer = subprocess.run(
            [*command, "--exclude-standard"], capture_output=True, check=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
        visible = [path for path in paths if not any(part[0] == "." for part in path.parts)]
        return sorted(path.as_posix() for path in visible)
    return sorted(path for path in answer.stdout.split("\0") if path)


def _string_defaults(source: Source, node: _Function) -> Iterator[Finding]:
    for argument, default in _arguments_with_defaults(node):
        if _is_free_text(argument.arg) or source.has_reason(
            "string", argument.lineno - 1, argument.lineno
        ):
            continue
        is_string = isinstance(default, ast.Constant) and isinstance(default.value, str)
        is_choice = argument.annotation is not None and re.search(
            r"\bLiteral\[.*['\"]", ast.unparse(argument.annotation)
        )
        if is_choice or (is_string and default.value != ""):  # type: ignore[union-attr]
            what = f"parameter {argument.arg!r} of {node.name} is an option given as a string"
            mend = "take an object, an Enum or a bool; or say '# string: <reason>'"
            yield Finding(source.path, argument.lineno, "string-option", what, mend)


def _arguments_with_defaults(node: _Function) -> list[tuple[ast.arg, ast.expr | None]]:
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults))
    pairs = list(zip(positional, missing + list(spec.defaults), strict=True))
    return pairs + list(zip(spec.kwonlyargs, spec.kw_defaults, strict=True))


def _string_comparisons(source: Source, node: _Function) -> Iterator[Finding]:
    names = {argument.arg for argument, _ in _arguments_with_defaults(node)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Compare):
            name, others = inner.left, inner.comparators
        elif isinstance(inner, ast.Match):
            name, others = inner.subject, [_pattern_value(case.pattern) for case in inner.cases]
        else:
            continue
        if not isinstance(name, ast.Name) or name.id not in names or _is_free_text(name.id):
            continue
        if any(map(_has_string, others)) and not source.has_reason(
            "string", inner.lineno - 1, inner.lineno
        ):
            what = f"{node.name} compares its parameter {name.id!r} with a string"
            mend = "take an object, an Enum or a bool; or say '# string: <reason>'"
            yield Finding(source.path, inner.lineno, "string-option", what, mend)


def _pattern_value(pattern: ast.pattern) -> ast.expr:
    return pattern.value if isinstance(pattern, ast.MatchValue) else ast.Constant(None)


def _has_string(node: ast.expr) -> bool:
    items = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return any(isinstance(item, ast.Constant) and isinstance(item.value, str) for item in items)


def _is_free_text(name: str) -> bool:
    return name.lstrip("_").rsplit("_", 1)[-1] in TEXT_PARAMETERS


def _listed_names(tree: ast.Module) -> set[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if not any(isinstance(item, ast.Name) and item.id == "__all__" for item in targets):
            continue
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.List | ast.Tuple):
            names = [item.value for item in value.elts if isinstance(item, ast.Constant)]
            return {str(name) for name in names}
    return None


def _top_level_names(tree: ast.Module) -> dict[str, ast.stmt]:
    names: dict[str, ast.stmt] = {}
    for node in tree.body:
        for inner in ast.walk(node) if isinstance(node, ast.If | ast.Try | ast.With) else [node]:
            if isinstance(inner, _Function | ast.ClassDef):
                names[inner.name] = inner
            elif isinstance(inner, ast.Import | ast.ImportFrom):
                for alias in inner.names:
                    names[(alias.asname or alias.name).split(".")[0]] = inner
            elif isinstance(inner, ast.Assign | ast.AnnAssign):
                for item in ast.walk(inner):
                    if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
                        names[item.id] = inner
    return names


if __name__ == "__main__":
    sys.exit(main())
