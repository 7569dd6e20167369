"""Removes each guard and each write of the Lua scripts in turn, and reports which of them no test needs.

``python -m tests.repository.sweep_scripts [SCRIPT]...`` runs the tests that are listed here for each script, in this
process; that takes some seconds for each change. It prints a line for each change that no test noticed, and exits with
1 if there is one. ``migrations/rewriter/lua_codegen.py``, which writes scripts, is changed in the same way.
"""

import contextlib
import gc
import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from redis_models.client.commands import Script

_ROOT: Final = Path(__file__).parents[2]
_VERBS: Final = (
    "tests/runtime/records/test_scripts_alone.py"
    " tests/runtime/records/test_rights_taken_away.py"
    " tests/runtime/records/test_single_insert.py"
    " tests/runtime/records/test_conditional_writes.py"
    " tests/runtime/records/test_ttl.py"
    " tests/runtime/records/test_save.py"
    " tests/runtime/records/test_increment.py"
    " tests/runtime/records/test_extras.py"
    " tests/runtime/records/test_concurrent_changes.py"
    " tests/runtime/records/guard/test_version_guard.py tests/runtime/records/guard/test_stamps.py"
)
_REWRITING: Final = (
    "tests/migrations/rewriter/test_lua_codegen_guards.py"
    " tests/migrations/rewriter/test_scripts_alone.py"
    " tests/migrations/rewriter/test_script_permissions.py"
    " tests/migrations/operations/test_alter_ttl.py"
    " tests/migrations/rewriter/test_lua_codegen.py"
    " tests/migrations/rewriter/test_value_tables.py"
    " tests/migrations/rewriter/test_rewriter.py"
)
_OTHERS: Final = (
    "tests/migrations/rewriter/test_scripts_alone.py"
    " tests/migrations/rewriter/test_script_permissions.py::test_every_other_script_is_whole_or_nothing"
    " tests/migrations/rewriter/test_script_permissions.py::test_a_right_that_is_not_needed_is_not_asked_for"
)
_TESTS: Final = {
    "redis_models": _VERBS,
    "ttl": (
        "tests/migrations/rewriter/test_ttl_script.py"
        " tests/migrations/operations/test_alter_ttl.py"
        " tests/migrations/rewriter/test_script_permissions.py"
    ),
    "compare_and_set": _REWRITING,
    "rewrite": _REWRITING,
    "lua_codegen": _REWRITING,
    "adopt": f"tests/migrations/maintenance/adopt/test_scripts.py {_OTHERS}",
    "adopt_fill": f"tests/migrations/maintenance/adopt/test_scripts.py {_OTHERS}",
    "adopt_swap": f"tests/migrations/maintenance/adopt/test_scripts.py {_OTHERS}",
    "rename_key": f"tests/migrations/rewriter/test_rename_keys_script.py {_OTHERS}",
    "not_at_version": "tests/migrations/keyspace/test_read_only_scripts.py",
    "check_permissions": "tests/migrations/keyspace/test_read_only_scripts.py",
}
_DEFAULT: Final = _OTHERS
_WRITER: Final = "migrations/rewriter/lua_codegen.py"
_CONDITION: Final = re.compile(r"\b((?:else)?if) (.*?) then\b")
_WHOLE_LINE: Final = re.compile(r"^\s*(?:redis\.)?(?:call|pcall|demand|demand_once)\(.*\)$")
# Only other servers need these lines: those before Redis 7, and Redis 8.10, which counts the arguments of a check.
_OLD_SERVERS: Final = re.compile(r"is_allowed|nknown|can't run|knows_moments|name == '[A-Z]|refused, word")
_PYTHON_CONDITION: Final = re.compile(r"^ *((?:el)?if) (.*):$")
_PYTHON_LINE: Final = re.compile(r"^ *(?:yield (?!\" *--).*|\w+\.append\(.*\))$")
_ENCODED: Final = "if {}pcall('OBJECT', 'ENCODING', key) == 'listpack' then return nil end"
# Changes that no test can notice, each with the reason: the line, and the line after the change.
_EQUIVALENT: Final = {
    (
        "ttl.lua",
        "if old and at == tonumber(set) then",
        "if true and at == tonumber(set) then",
    ): "without a pair there is no second number either",
    (
        "lua_codegen.py",
        "if run.ttl_changes or 2 * len(pairs) + len(gone) > _MOST_ARGUMENTS:",
        "if True:",
    ): "without a shorter path to the same",
    (
        "lua_codegen.py",
        """yield f"  if {' and '.join(conditions)} then\"""",
        'yield f"  if false then"',
    ): "without a shorter path to the same",
    (
        "lua_codegen.py",
        "if isinstance(write.cell.images, UndoTable):",
        "if True:",
    ): "without a shorter path to the same",
    ("lua_codegen.py", """yield "    return true\"""", "pass"): "the longer path does the same once more",
    (
        "lua_codegen.py",
        """yield "    if not may_delete then demand_to_delete(key) end\"""",
        'yield "    if true then demand_to_delete(key) end"',
    ): "the right is asked for once, for time only",
    (
        "lua_codegen.py",
        """yield f"    if {self._content(cell)} then carry(key, {_quoted(name)}, ends[{ttl_place}]) end\"""",
        """yield f"    if true then carry(key, {_quoted(name)}, ends[{ttl_place}]) end\"""",
    ): "what is absent has no end",
    ("lua_codegen.py", "yield from self._usual()", "pass"): "a shorter path to the same",
    ("lua_codegen.py", "if len(sources) < _MOST_ARGUMENTS:", "if False:"): "names that are arguments save time only",
    (
        "lua_codegen.py",
        """yield "  if #gone > 0 and not may_delete then demand_to_delete(key) end\"""",
        """yield "  if #gone > 0 and true then demand_to_delete(key) end\"""",
    ): "the right is asked for once, for time only",
    ("lua_codegen.py", "if self._run.ttl_changes or self.carried:", "if False:"): "for servers before Redis 7",
    ("lua_codegen.py", "if self._run.ttl_changes or self.carried:", "if True:"): "likewise",
    ("lua_codegen.py", 'yield "  demand_to_write(key)"', "pass"): "likewise",
    (
        "lua_codegen.py",
        """yield f"  if ends and {self._content(cell)} and {ends} > 0 then demand_once('HPEXPIREAT', key) end\"""",
        """yield f"  if ends and true and {ends} > 0 then demand_once('HPEXPIREAT', key) end\"""",
    ): "what is absent has no end",
    ("lua_codegen.py", "if self._run.ttl_changes:", "if True:"): "without a change of it nothing comes of that",
    ("once.lua", "if demanded[name] then return end", "if false then return end"): "asked once, for time only",
    ("rewrite.lua", _ENCODED.format("redis."), "if false then return nil end"): "what has none says so, only slower",
    ("compare_and_set.lua", _ENCODED.format(""), "if false then return nil end"): "likewise",
    (
        "rewrite.lua",
        "if not stamp and redis.call('EXISTS', key) == 0 then return 'G' end",
        "if true and redis.call('EXISTS', key) == 0 then return 'G' end",
    ): "what has a stamp exists",
    (
        "compare_and_set.lua",
        "elseif not values[1] and call('EXISTS', key) == 0 then",
        "elseif true and call('EXISTS', key) == 0 then",
    ): "likewise",
    (
        "compare_and_set.lua",
        "if #sources == 0 or not has_lives(lives) then return nil end",
        "if false or not has_lives(lives) then return nil end",
    ): "of no sources none is asked for",
    (
        "compare_and_set.lua",
        "if #changes > 0 or noted_count > 0 then ending, kept = ending_of(key, at + #sets) end",
        "if true then ending, kept = ending_of(key, at + #sets) end",
    ): "without a change nothing comes of that",
    (
        "compare_and_set.lua",
        "if #removals > 0 and not may_delete then",
        "if #removals > 0 and true then",
    ): "the right is asked for once, for time only",
    (
        "write.lua",
        "if must_exist or redis.call('EXISTS', unpack(KEYS, 2)) > 0 then",
        "if true then",
    ): "one question for all records saves time only",
    (
        "write.lua",
        "if scores[i - first + 1] or added[KEYS[i]] then",
        "if scores[i - first + 1] or false then",
    ): "a member that is given twice is there once",
    (
        "write.lua",
        "elseif #KEYS == first then",
        "elseif false then",
    ): "one by itself is added without a list, for time only",
    ("write.lua", "elseif #KEYS == first then", "elseif true then"): "one by one they are added as well, only slower",
}


def changes(source: str) -> Iterator[tuple[int, str]]:
    """Yield changed scripts, each with the number of the changed line."""
    lines = source.splitlines()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("--") or _OLD_SERVERS.search(line):
            continue
        for changed in _changed(line):
            yield number, "\n".join([*lines[: number - 1], changed, *lines[number:], ""])


def _changed(line: str) -> Iterator[str]:
    found = _CONDITION.search(line)
    if found is not None:
        for other in ("false", "true"):
            yield f"{line[: found.start(2)]}{other}{line[found.end(2) :]}"
        parts = re.split(r" (?:and|or) ", found[2])
        if len(parts) > 1 and found[2].count("(") == found[2].count(")"):
            for part in parts:
                if part.count("(") == part.count(")"):
                    neutral = "true" if f"{part} and" in found[2] or f"and {part}" in found[2] else "false"
                    yield line.replace(part, neutral, 1)
    elif _WHOLE_LINE.match(line):
        yield ""


def changes_of_writer(source: str) -> Iterator[tuple[int, str]]:
    """Yield changed texts of the module that writes scripts, each with the number of the changed line."""
    lines = source.splitlines()
    for number, line in enumerate(lines, 1):
        for changed in _changed_of_writer(line):
            text = "\n".join([*lines[: number - 1], changed, *lines[number:], ""])
            with contextlib.suppress(SyntaxError):
                compile(text, _WRITER, "exec")
                yield number, text


def _changed_of_writer(line: str) -> Iterator[str]:
    condition = _PYTHON_CONDITION.match(line)
    if condition is not None:
        for other in ("False", "True"):
            yield f"{line[: condition.start(2)]}{other}:"
    elif _PYTHON_LINE.match(line):
        yield f"{line[: len(line) - len(line.lstrip())]}pass"
        if _CONDITION.search(line):
            yield from _changed(line)


def sweep(script: str) -> list[str]:
    """Return a line for each change of a script that its tests do not notice."""
    path = _ROOT / script
    tests = _TESTS.get(path.stem, _TESTS.get(script.split("/")[0], _DEFAULT)).split()
    source, missed = path.read_text(), list[str]()
    assert _is_green(tests), f"{script}: its tests fail as it is"
    give = _give_writer if script == _WRITER else _giver(source)
    for number, changed in (changes_of_writer if script == _WRITER else changes)(source):
        line, before = (text.splitlines()[number - 1].strip() for text in (changed, source))
        said = line if line not in ("", "pass") else f"without: {before}"
        if (path.name, before, line) in _EQUIVALENT:
            continue
        give(changed)
        if _is_green(tests):
            missed.append(f"{script}:{number}: {said}")
            print(missed[-1], flush=True)
    give(source)
    return missed


def _giver(source: str) -> Callable[[str], None]:
    """Return a function that replaces this text in every script that contains it."""
    users = [(user, user.source) for user in gc.get_objects() if isinstance(user, Script) and source in user.source]

    def give(changed: str) -> None:
        for script, whole in users:
            object.__setattr__(script, "source", whole.replace(source, changed))
            script.__post_init__()  # its digest

    return give


def _give_writer(source: str) -> None:
    module = importlib.import_module("redis_models.migrations.rewriter.lua_codegen")
    exec(compile(source, str(_ROOT / _WRITER), "exec"), vars(module))
    vars(importlib.import_module("redis_models.migrations.rewriter.program"))["lua_of"] = vars(module)["lua_of"]


def _is_green(tests: list[str]) -> bool:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return pytest.main(["-q", "-x", "-p", "no:cacheprovider", *(f"{_ROOT}/{test}" for test in tests)]) == 0


def main(chosen: list[str]) -> int:
    missed: list[str] = []
    for script in chosen or [*(str(path.relative_to(_ROOT)) for path in sorted(_ROOT.glob("*/lua/*.lua"))), _WRITER]:
        missed += sweep(script)
        print(f"{script}: done", file=sys.stderr, flush=True)
    print(f"{len(missed)} changes that no test notices")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
