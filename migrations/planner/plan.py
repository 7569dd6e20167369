"""Plans: what a run must do to bring an app's database to a target. Pure.

The ledger tells the position of the database. A run that stopped may have left records at other versions, from the
depth of its journal to its reach. A plan covers these too, whatever its own target is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from redis_models.errors import DriftError, UnsafeError

from ..chain.chain import Chain
from ..chain.lineage import Lineage, lineages_of
from ..chain.loaded_migration import LoadedMigration
from ..chain.replaces import Replaced
from ..chain.unfinished_run import chain_as_begun, digest_of, migrations_as_text
from ..schema.snapshot import Snapshot
from ..state.entries import AppliedMigration, Journal, State
from .loosened_constraints import checked_path
from .passes import RenameKeysPass, RewritePass

__all__ = [
    "IN_CLIENT_RATE",
    "IN_SERVER_RATE",
    "SQUASHED",
    "Plan",
    "as_squashed",
    "chain_to_give_up",
    "is_automatic",
    "is_other_than_begun",
    "make_plan",
    "plan_between",
]

IN_SERVER_RATE: Final = 100_000  # records a second, for estimates only: half of what two slow cores reached
IN_CLIENT_RATE: Final = 15_000
SQUASHED: Final = "squashed"  # instead of a checksum, because the replaced files were applied, not the squashed one


@dataclass(frozen=True)
class Plan:
    """What a run must do.

    Attributes:
        app: Label of the app.
        start: Position of the ledger.
        target: Position to reach.
        reach: The highest position at which a record may be, now or during the run.
        depth: The lowest such position.
        applied: Migrations that the run applies, in order.
        unapplied: Migrations that the run takes back, last first.
        passes: A pass for each prefix of keys under which records must change.
        moves: Passes that rename keys, after all of ``passes``.
        snapshot: Schemas afterwards.
        fingerprint: Digest of all migrations up to ``reach``.
        is_resumed: Whether it resumes a run that stopped.
        consents: Safety rules to which a user consented, for the history.
        said: Text of the migrations between ``depth`` and ``reach``, for the journal; see ``unfinished_run``.
        is_recorded: Whether the ledger records what was applied; without files there is nothing to record.
    """

    app: str
    start: int
    target: int
    reach: int
    depth: int
    applied: tuple[LoadedMigration, ...]
    unapplied: tuple[LoadedMigration, ...]
    passes: tuple[RewritePass, ...]
    moves: tuple[RenameKeysPass, ...]
    snapshot: Snapshot
    fingerprint: str
    is_resumed: bool
    is_recorded: bool = True
    consents: tuple[str, ...] = ()
    said: str = ""

    @property
    def identity(self) -> tuple[object, ...]:
        """A value that is equal for equal plans: start, target, and the migrations between them."""
        applied = tuple(migration.id for migration in self.applied)
        return (self.app, self.start, self.target, self.reach, applied, self.fingerprint)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.start == self.target == self.reach == self.depth

    @property
    def destructive(self) -> tuple[str, ...]:
        """The operations after which the application can no longer see some values, one line each."""
        return tuple(
            f"{migration.name}: {operation.describe()}"
            for migration in self.applied
            for operation in migration.operations
            if operation.is_destructive
        )


def make_plan(chain: Chain, state: State, target: int, *, includes_stragglers: bool = False) -> Plan:
    """Compare the files with the database.

    Args:
        chain: The files.
        state: The database.
        target: Position in the chain to reach.
        includes_stragglers: As for ``plan_between``.

    Raises:
        DriftError: The database does not match the files; the error says what to do.
        UnsafeError: The undo fields that taking back needs were purged.
    """
    start = _position(chain, state)
    journal = state.journal
    if journal is not None and is_other_than_begun(chain, journal):
        raise DriftError(_edited_under_way(chain, journal, start))
    _refuse_back_through_purged(chain, state, start, target)
    _refuse_back_through_squashed(chain, state, start, target)
    return plan_between(chain, start, target, journal, includes_stragglers=includes_stragglers)


def is_other_than_begun(chain: Chain, journal: Journal) -> bool:
    """Whether the files were edited since the unfinished run of a journal began."""
    return journal.reach > len(chain.migrations) or journal.fingerprint != _digest(chain, journal.reach)


def chain_to_give_up(chain: Chain, state: State, target: int) -> Chain:
    """Return the chain for giving up an unfinished run: as it was when the run began, if files were edited since.

    Args:
        chain: The files.
        state: The database.
        target: Position to reach. A target that is not after the ledger gives the run up.
    """
    journal = state.journal
    if journal is None or target > len(as_squashed(chain, state.ledger)) or not is_other_than_begun(chain, journal):
        return chain
    return chain_as_begun(chain, journal.said, journal.fingerprint, journal.reach) or chain


def _edited_under_way(chain: Chain, journal: Journal, start: int) -> str:
    missing = ""
    if journal.reach > len(chain.migrations):
        missing = f" (there were {journal.reach}, and there are {len(chain.migrations)} now)"
    return (
        f"{chain.app}: the migration files were edited{missing} since a run began that is not finished; restore them"
        " (corrected functions, convert= and back= may stay) and finish the run with 'migrate', or give it up with"
        f" 'migrate {chain.app} {_name_at(chain, start)}'"
    )


def _name_at(chain: Chain, position: int) -> str:
    return f"{chain.migrations[position - 1].number:04d}" if position else "zero"


def _refuse_back_through_squashed(chain: Chain, state: State, start: int, target: int) -> None:
    """Refuse to take back a squashed migration if the migrations that it replaces were applied.

    Only the replaced migrations can use their undo fields.
    """
    for migration in chain.migrations[target:start]:
        recorded = [id for id in migration.ids[:-1] if id in state.ledger]
        if recorded:
            raise DriftError(
                f"{chain.app}: {migration.name} cannot be taken back, because the migrations that it replaces were"
                f" applied here ({', '.join(recorded)}): take back the later ones with 'migrate {chain.app}"
                f" {migration.number}', put the replaced files in its place from version control, and try again"
            )


def _refuse_back_through_purged(chain: Chain, state: State, start: int, target: int) -> None:
    """Refuse to take back a purged migration. Of a squashed one, all parts must be purged: the others can go back."""
    for migration in chain.migrations[target:start]:
        entries = [state.ledger[id] for id in migration.ids if id in state.ledger]
        if entries and all(entry.is_purged for entry in entries):
            raise UnsafeError(
                f"{chain.app}: {migration.name} cannot be taken back, because its undo fields were purged. Make a new"
                " migration to the schema that you want"
            )


def plan_between(
    chain: Chain, start: int, target: int, journal: Journal | None, *, includes_stragglers: bool = False
) -> Plan:
    """Plan a run between two positions of a chain, including records that an unfinished run left at other positions.

    Args:
        chain: The files.
        start, target: The two positions.
        journal: The journal of an unfinished run, or None.
        includes_stragglers: Include records of all older versions, because old code may have written some after a run.
    """
    reach = max(start, target, start if journal is None else journal.reach)
    depth = 0 if includes_stragglers else min(start, target, start if journal is None else journal.depth)
    known = start if journal is None else max(start, journal.reach)
    passes, moves = _passes(chain, range(depth, reach + 1), start, target, known)
    return Plan(
        app=chain.app,
        start=start,
        target=target,
        reach=reach,
        depth=depth,
        applied=chain.migrations[start:target],
        unapplied=tuple(reversed(chain.migrations[target:start])),
        passes=passes,
        moves=moves,
        snapshot=chain.snapshots[target],
        fingerprint=_digest(chain, reach),
        is_resumed=journal is not None,
        said=migrations_as_text(chain.migrations[depth:reach]),
    )


def _passes(
    chain: Chain, positions: range, source: int, target: int, known: int
) -> tuple[tuple[RewritePass, ...], tuple[RenameKeysPass, ...]]:
    """Return the passes that rewrite records under their keys, and those that rename keys afterwards.

    Args:
        chain: The files.
        positions: Positions at which a record may be, or will be.
        source, target: Positions of most records, before and afterwards.
        known: The highest position to which a run brought records.
    """
    passes: list[RewritePass] = []
    moves: list[RenameKeysPass] = []
    reach = positions[-1]
    for lineage in sorted(lineages_of(chain), key=lambda lineage: lineage.latest.keys.start):
        models = lineage.within(positions)
        if not models:
            continue
        after, before = lineage.at(target), lineage.at(source)
        if {model.version for model in models} == {after.version}:
            continue
        spaces = {model.keys.start: model.keys for model in models}
        spaces.pop(after.keys.start, None)
        key_spaces = [after.keys, *(spaces[start] for start in sorted(spaces))]
        path = checked_path(chain, lineage, target) if target < reach else lineage.path
        # A later segment or newer code may have brought records to later versions already. If a segment took them back,
        # they would lose values that the older schema cannot hold.
        if target > max(lineage.schemas) or (source <= target and known <= target < len(chain.migrations)):
            path = replace(path, leaves_newer=True)
        is_remade = any(place in lineage.remade for place in positions[1:])
        passes += [RewritePass(path, keys, after.version, before.version) for keys in key_spaces]
        vacant, later = _vacant_below(lineage, source, target, known), _names_after(lineage, target)
        leaving = [keys for keys in key_spaces if is_remade or keys is not after.keys]
        moves += [RenameKeysPass(path, keys, after, is_remade, vacant, later) for keys in leaving]
    return tuple(passes), tuple(moves)


def _names_after(lineage: Lineage, position: int) -> dict[int, str]:
    """Return the names of the primary key by later version, until keys are made from another field."""
    names: dict[int, str] = {}
    for place in sorted(place for place in lineage.schemas if place > position):
        if place in lineage.remade:
            break
        names[lineage.schemas[place].version] = lineage.schemas[place].primary_key
    return names


def _vacant_below(lineage: Lineage, source: int, target: int, known: int) -> int:
    """Return the version below which a hash under the new keys is not a record of the lineage; 0 if it may be one.

    Records of the lineage may be at each position to which a run led, and where newer code writes them before its
    migration runs.
    """
    start = lineage.at(target).keys.start
    led_to = [lineage.at(source), *lineage.within(range(known + 1))]
    if target <= source or any(model.keys.start == start for model in led_to):
        return 0
    return min(model.version for model in lineage.within(range(source + 1, target + 1)) if model.keys.start == start)


def _position(chain: Chain, state: State) -> int:
    """Return the position of the ledger: the number of migrations, from the first one, that are applied."""
    known = {migration.id: migration for migration in chain.migrations}
    ledger = as_squashed(chain, state.ledger)
    for id, entry in ledger.items():
        if id not in known:
            raise DriftError(
                f"{chain.app}: {entry.name} ({id}) is applied here, but its file is missing; restore it from"
                " version control"
            )
        if entry.checksum != SQUASHED and not known[id].is_unchanged_since(entry.checksum):
            raise DriftError(_edited(chain, known[id], entry, ledger))
    position = len(ledger)
    for migration in chain.migrations[:position]:
        if migration.id not in ledger:
            raise DriftError(
                f"{chain.app}: {migration.name} ({migration.id}) is not applied, but a later migration is; restore the"
                " order of the files"
            )
    _check_snapshot(chain, state, position)
    return position


def _edited(
    chain: Chain, migration: LoadedMigration, entry: AppliedMigration, ledger: Mapping[str, AppliedMigration]
) -> str:
    position = chain.position_of(migration.id)
    problem = (
        f"{migration.path}: {entry.name} ({migration.id}) was edited after it was applied at {entry.applied_at};"
        " restore the file"
    )
    if migration.star_imports:
        problem += (
            f" (its 'from {migration.star_imports[0]} import *' counts as part of it, because any code of the file may"
            " use the imported names; import by name what only back= needs)"
        )
    unapplied = next((earlier for earlier in chain.migrations[:position] if earlier.id not in ledger), None)
    if unapplied is None:
        # Not to the edited migration: that would remove all later ones from the ledger.
        applied = list(takewhile(lambda migration: migration.id in ledger, chain.migrations))
        return f"{problem}, or accept it as it is with 'migrate {chain.app} {applied[-1].number} --fake'"
    # Accepting it would also record the unapplied one, whose records would then not be rewritten.
    reached = chain.position_of(unapplied.id) - 1
    back = chain.migrations[reached - 1].number if reached else "zero"
    return (
        f"{problem}. A rebase put it after {unapplied.name}, which is not applied here: restore the files from before"
        f" the rebase, take it back with 'migrate {chain.app} {back}', and put the rebased files back; then 'migrate'"
        " applies both"
    )


def is_automatic(chain: Chain, state: State) -> bool:
    """Whether an app has no files and ``migrate --auto`` changed its database."""
    return not chain.migrations and not state.ledger and state.snapshot is not None


def as_squashed(chain: Chain, ledger: Mapping[str, AppliedMigration]) -> Mapping[str, AppliedMigration]:
    """Return a ledger in which a squashed migration replaces its parts.

    ``stamp`` may have recorded both the squashed migration and some of its parts.

    Raises:
        DriftError: Only some of the parts are applied.
    """
    found = dict(ledger)
    for migration in chain.migrations:
        replaced = [id for id in migration.ids[:-1] if id in found]
        if not replaced:
            continue
        missing = Replaced(migration.id, migration.replaces).missing(found)
        if missing:
            raise DriftError(
                f"{chain.app}: {migration.name} replaces migrations of which only some are applied here; not applied:"
                f" {', '.join(missing)}. Restore their files from version control, run 'migrate', then return to the"
                " squashed file"
            )
        last = found[replaced[-1]]
        for id in replaced:
            del found[id]
        if migration.id not in found:
            found[migration.id] = replace(
                last, id=migration.id, name=migration.name, number=migration.number, checksum=SQUASHED
            )
    return found


def _check_snapshot(chain: Chain, state: State, position: int) -> None:
    expected = chain.snapshots[position]
    if is_automatic(chain, state):
        raise DriftError(
            f"{chain.app}: there are no migration files, because 'migrate --auto' made the last changes; continue with"
            " --auto, or create files with 'makemigrations --from-redis'"
        )
    if state.snapshot is not None and state.snapshot.fingerprint != expected.fingerprint:
        raise DriftError(
            f"{chain.app}: the snapshot stored in Redis ({state.snapshot.fingerprint}) is not that of migration"
            f" {position} ({expected.fingerprint}); accept the files with 'migrate {chain.app} {position} --fake'"
        )


def _digest(chain: Chain, position: int) -> str:
    """Return the digest of a part of the chain. It omits functions, which may be corrected while a run is stopped."""
    return digest_of(chain.migrations[:position], chain.snapshots[1 : position + 1])
