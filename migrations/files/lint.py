"""Lint: finds risky code in the source of a migration file. Pure: it only reads the syntax.

It knows what a call refers to from the imports of the file, so that it also finds ``from time import time``.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["CODES", "complaints_of"]

# Codes of the safety rules; ``planner/safety_rules`` explains them.
CODES: Final = frozenset(
    f"RM{number}" for number in (101, 102, 103, 104, 105, 106, 107, 108, 109, 111, 112, 116, 117, 118, 119, 122, 131)
)
_CLOCKS: Final = frozenset(
    ["datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today"]
    + [f"time.{name}" for name in ("time", "time_ns", "monotonic", "localtime", "gmtime", "perf_counter", "ctime")]
)
_CHANCE: Final = frozenset(["uuid.uuid1", "uuid.uuid4", "os.urandom", "uuid.uuid6", "uuid.uuid7"])
_WORLD: Final = frozenset(["open", "input", "os.environ.get", "os.getenv", "os.system", "builtins.open"])
_MODULES_OF_CHANCE: Final = frozenset(["random", "secrets"])
_MODULES_OF_WORLD: Final = frozenset(
    ["httpx", "requests", "socket", "subprocess", "urllib", "shutil", "redis", "sqlite3", "psycopg", "asyncio"]
)
_BLOCKING: Final = frozenset(["keys", "flushdb", "flushall", "smembers"])
_RAW: Final = frozenset(["delete", "hset", "hdel", "rename", "restore", "unlink", "execute_command", "eval"])
_OURS: Final = frozenset(["redis_models", "typing", "typing_extensions", "collections", "__future__"])


def complaints_of(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """Return the findings in a file, in the order of its lines: code of the rule, line and text.

    Functions of ``Run`` may read clocks and use the server. In them, only commands that block the server or lose TTLs
    are findings.
    """
    names = _imported(tree)
    free = _free_functions(tree)
    found = list(_foreign_imports(tree))
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.Lambda)):
            is_free = isinstance(function, ast.FunctionDef) and function.name in free
            found += list(_of_free(function) if is_free else _of_pure(function, names))
    yield from sorted(dict.fromkeys(found), key=lambda finding: (finding[1], finding[0]))


def _of_pure(function: ast.FunctionDef | ast.Lambda, names: Mapping[str, str]) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            yield "RM107", node.lineno, f"changes {', '.join(node.names)}, which outlives the call"
        elif isinstance(node, ast.Call):
            name = _called(node.func, names)
            code = _judged(name)
            if code is not None:
                yield code, node.lineno, f"calls {name}()"


def _judged(name: str) -> str | None:
    module = name.partition(".")[0]
    if name in _CLOCKS or name in _CHANCE or module in _MODULES_OF_CHANCE:
        return "RM106"
    return "RM107" if name in _WORLD or module in _MODULES_OF_WORLD else None


def _of_free(function: ast.AST) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name in _BLOCKING:
                yield "RM117", node.lineno, f"calls {name}(), which blocks the server for all clients"
            elif name in _RAW:
                yield "RM116", node.lineno, f"calls {name}(), which is not checked, resumed or undone"


def _foreign_imports(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or "."] if not node.level else [f"{'.' * node.level}{node.module or ''}"]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        for module in modules:
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in _OURS:
                yield "RM131", node.lineno, f"imports {module}"


def _imported(tree: ast.Module) -> Mapping[str, str]:
    """Return the full names of imports, by their names in the file."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _called(node: ast.expr, names: Mapping[str, str]) -> str:
    """Return the full name of the called function; "" if it is not a plain name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def _free_functions(tree: ast.Module) -> set[str]:
    """Return the names of functions of ``Run``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func, {}).rpartition(".")[2] == "Run":
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            found |= {value.id for value in values if isinstance(value, ast.Name)}
    return found
