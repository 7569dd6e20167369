"""Written programs: what is to become of records, written out as a Lua script of its own. Pure.

The server compiles a script once. One that reads lists of what to do, record by record, spends three quarters of its
time on reading them; this one says what it does in its own text, and most records take a path without a branch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from redis_models.client.commands import Script, load_script
from redis_models.encoding.raw_text import bytes_of

from .symbolic import Cell, Run, UndoWrite
from .value_tables import SAME, UndoTable, ValueTable

__all__ = ["lua_of"]

_FRAME: Final = load_script("redis_models.migrations", "permissions", "once", "ttl", "fence", "rewrite")
_PLACE: Final = "--[[ what the programs are ]]\n"
_ASKED: Final = "unpack(asked)"
_MOST_ARGUMENTS: Final = 150  # of one call that are written out; Lua has registers for 250


def lua_of(runs: Mapping[int, Run]) -> Script:
    """Write the script that does to records of each version what its run says; see ``lua/rewrite.lua``."""
    sources = sorted({name for run in runs.values() for name in run.names})
    tables = _Tables()
    writers = {version: _Writer(run, sources, tables) for version, run in runs.items()}
    programs = [line for version, writer in writers.items() for line in writer.program(version)]
    ttls = ["local has_any = has_lives(ARGV[3])"] if any(writer.carried for writer in writers.values()) else []
    names = ["local sources = {", *(f"  {_quoted(name)}," for name in sources), "}"]
    text = "\n".join([*names, *tables.lines(), *ttls, *programs, ""])
    before, after = _FRAME.source.split(_PLACE)
    if len(sources) < _MOST_ARGUMENTS:
        after = after.replace(_ASKED, ", ".join([*map(_quoted, sources), "'_v'"]))
    return Script(before + text + after, is_repeatable=True)


class _Tables:
    """Tables of images, each written once. Grows by use."""

    def __init__(self) -> None:
        self._places: dict[tuple[bool, tuple[tuple[bytes, bytes], ...]], int] = {}

    def name(self, images: ValueTable | UndoTable) -> str:
        """Give the Lua expression for a table."""
        leaves_others = isinstance(images, ValueTable) and images.leaves_others
        entry = (leaves_others, tuple(images.table.items()))
        return f"tables[{self._places.setdefault(entry, len(self._places) + 1)}]"

    def lines(self) -> Iterator[str]:
        """Write them."""
        yield "local tables = {"
        for leaves_others, pairs in self._places:
            yield f"  {{stays = {str(leaves_others).lower()}, images = {{"
            for raw, image in pairs:
                yield f"    [{_quoted(raw)}] = {_quoted(image)},"
            yield "  }},"
        yield "}"


class _Writer:
    """Writes the function that rewrites records of one version; it is given a record's key, values and stamp.

    Args:
        run: What it does.
        sources: Fields whose values it is given, in their order.
        tables: Takes the tables that it needs.
    """

    def __init__(self, run: Run, sources: Sequence[str], tables: _Tables) -> None:
        self._run, self._tables = run, tables
        self._places = {name: number for number, name in enumerate(sources, 1)}

    def program(self, version: int) -> Iterator[str]:
        """Write all of it."""
        yield f"programs[{_quoted(str(version))}] = function(key, was, stamp)"
        for name, images in self._run.guards.items():
            was = self._was(name)
            yield f"  if {was} and not is_known({self._tables.name(images)}, {was}) then return false end"
        yield from self._usual()
        yield from self._any()
        yield "end"

    def _usual(self) -> Iterator[str]:
        """Write the short path: a record that has what most have, and no field with a TTL."""
        run, unusual = self._run, self._run.overwritten
        pairs = [("'_v'", "target")]
        for name, cell in run.fields.items():
            if _has_content(cell):
                pairs.append((_quoted(name), self._content(cell)))
        for write in run.undo_writes:
            if isinstance(write.cell.images, UndoTable):
                return
            if _has_content(write.cell) and write.cell.source not in unusual:
                pairs.append((_quoted(write.stored_as), self._content(write.cell)))
            elif write.absent_as:
                pairs.append((_quoted(write.absent_as), "''"))
        gone = [_quoted(name) for name, cell in run.fields.items() if not _has_content(cell) and name not in unusual]
        if run.ttl_changes or 2 * len(pairs) + len(gone) > _MOST_ARGUMENTS:
            return
        conditions = ["stamp", *(self._was(name) for name in sorted(self._sources() - unusual))]
        conditions += [f"not {self._was(name)}" for name in sorted(unusual)]
        if self.carried:
            conditions.append("not has_any")
        yield f"  if {' and '.join(conditions)} then"
        if gone:
            yield "    if not may_delete then demand_to_delete(key) end"
        yield f"    redis.call('HSET', key, {', '.join(f'{name}, {content}' for name, content in pairs)})"
        if gone:
            yield f"    redis.call('HDEL', key, {', '.join(gone)})"
        yield "    return true"
        yield "  end"

    def _any(self) -> Iterator[str]:
        """Write the path for any record."""
        run = self._run
        yield "  local set, gone, raw = {'_v', target}, {}"
        for name, cell in run.fields.items():
            yield f"  raw = {self._content(cell)}"
            # A field that is written again would lose its TTL.
            is_same = f" and raw ~= {self._was(name)}" if cell.ttl_source == name else ""
            yield f"  if raw{is_same} then"
            yield f"    add(set, {_quoted(name)}, raw)"
            yield f"  elseif not raw and {self._was(name)} then"
            yield f"    gone[#gone + 1] = {_quoted(name)}"
            yield "  end"
        for write in run.undo_writes:
            yield from self._undo_lines(write)
        yield f"  if not stamp then add(set, {_quoted(run.unstamped_as)}, '') end"
        yield from self._ending()
        if self.carried:
            yield "  local ends = has_any and lives_of(key)"
        yield from self._demands()
        yield "  -- It grows before it shrinks: full memory must refuse the record whole."
        yield "  redis.call('HSET', key, unpack(set))"
        if self.carried:
            yield "  if ends then"
            for name, cell in self.carried:
                ttl_place = self._places[cell.ttl_source or ""]
                yield f"    if {self._content(cell)} then carry(key, {_quoted(name)}, ends[{ttl_place}]) end"
            yield "  end"
        yield "  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end"
        yield "  set_end(key, ending)"
        yield "  return true"

    def _demands(self) -> Iterator[str]:
        """Write what makes sure that nothing behind the first write can be refused."""
        yield "  if #gone > 0 and not may_delete then demand_to_delete(key) end"
        if self._run.ttl_changes or self.carried:
            yield "  demand_to_write(key)"
        for _, cell in self.carried:
            ends = f"ends[{self._places[cell.ttl_source or '']}]"
            yield f"  if ends and {self._content(cell)} and {ends} > 0 then demand_once('HPEXPIREAT', key) end"
        yield "  demand_end(key, ending)"

    def _ending(self) -> Iterator[str]:
        yield "  local ending"
        if self._run.ttl_changes:
            yield "  ending = end_to_set(key, {"
            for policy, ms, stored in self._run.ttl_changes:
                yield f"    {{policy = {_quoted(policy)}, ms = {ms}, stored = {_quoted(stored)}}},"
            yield "  }, {}, function(stored, text) add(set, stored, text) end)"

    def _undo_lines(self, write: UndoWrite) -> Iterator[str]:
        yield f"  raw = {self._content(write.cell)}"
        yield f"  if raw then add(set, {_quoted(write.stored_as)}, raw) end"
        if write.absent_as:
            yield f"  if not raw then add(set, {_quoted(write.absent_as)}, '') end"

    @property
    def carried(self) -> list[tuple[str, Cell]]:
        """What is written with the TTL of a field as it was; only what had one can keep it."""
        fields = [*self._run.fields.items(), *((write.stored_as, write.cell) for write in self._run.undo_writes)]
        return [(name, cell) for name, cell in fields if cell.ttl_source is not None and _has_content(cell)]

    def _sources(self) -> set[str]:
        cells = [*self._run.fields.values(), *(write.cell for write in self._run.undo_writes)]
        return {cell.source for cell in cells if cell.source is not None}

    def _was(self, name: str) -> str:
        return f"was[{self._places[name]}]"

    def _content(self, cell: Cell) -> str:
        """Give the Lua expression for what a field has at the end; nil where it has nothing."""
        if cell.constant is not None:
            return _quoted(cell.constant)
        if cell.source is None:
            return "nil"
        was = self._was(cell.source)
        return was if cell.images is SAME else f"image({self._tables.name(cell.images)}, {was})"


def _has_content(cell: Cell) -> bool:
    return cell.source is not None or cell.constant is not None


def _quoted(text: str | bytes) -> str:
    """Write a Lua string; bytes outside printable ASCII by their numbers."""
    raw = bytes_of(text) if isinstance(text, str) else text
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03}" for byte in raw)
    return f"'{''.join(plain)}'"
