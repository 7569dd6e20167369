"""Every exception that redis_models raises, in one tree.

    RedisModelsError
      ConfigurationError            a declaration or a setting is wrong; correct the code
        SettingsError
        ModelDeclarationError
          UnboundModelError         (AttributeError)
      DataError                     a record or a value is not as it should be
        InvalidPrimaryKeyError      (ValueError)
        EncodeError                 (TypeError)
        DecodeError                 (ValueError)
        WrongKeyTypeError           the key does not hold a hash
        NotFoundError               (LookupError)
        ManyRecordsError            one record was wanted, and several match
        ConflictError               another client wrote in between
          UniqueError               another record holds the value of a unique index
          DuplicateValuesError      records have one value in a unique index that is being built
        RecordTooNewError           written by a newer version of the code
        RecordTooOldError           written by an older version, and no migration upgrades it
      QueryError                    a query cannot be answered as it is written
        NoIndexError                no index serves its conditions
        IndexNotReadyError          the index is not built yet
        CursorError                 a cursor is unreadable, or of other indexes
        IndexDamagedError           the index lacks what it must have
        TooManyOthersError          too many records have values without an entry
      ServerError                   the server cannot execute it now
        ServerUnreachableError
        ServerRefusedError          authentication, permission, unsupported command
          ServerReadOnlyError       it is a replica
        ServerBusyError             it can later
        ServerDiskError             it cannot write to its disk, and refuses writes until it can
        ServerOutOfMemoryError
        EmbeddedServerError
      MigrationError
        MigrationFileError          a file cannot be read, or breaks the chain
        SchemaError                 an operation does not fit the schema
        RecordError                 a record cannot be rewritten
        UnansweredError             the diff has questions without an answer
        LockedError                 another runner holds the lease
        UnsafeError                 destructive or irreversible, without consent
        IncompleteError             stopped before it was complete; run again to resume
        DriftError                  Redis, files and code do not agree

Catch the narrowest class that you can handle::

    try:
        customer = await Customer.get("c-17")
    except NotFoundError:
        customer = Customer(id="c-17")
"""

from collections.abc import Sequence
from typing import Final

from .redaction import printable

__all__ = [
    "ConfigurationError",
    "ConflictError",
    "CursorError",
    "DataError",
    "DecodeError",
    "DriftError",
    "DuplicateValuesError",
    "EmbeddedServerError",
    "EncodeError",
    "IncompleteError",
    "IndexDamagedError",
    "IndexNotReadyError",
    "InvalidPrimaryKeyError",
    "LockedError",
    "ManyRecordsError",
    "MigrationError",
    "MigrationFileError",
    "ModelDeclarationError",
    "NoIndexError",
    "NotFoundError",
    "QueryError",
    "RecordError",
    "RecordTooNewError",
    "RecordTooOldError",
    "RedisModelsError",
    "SchemaError",
    "ServerBusyError",
    "ServerDiskError",
    "ServerError",
    "ServerOutOfMemoryError",
    "ServerReadOnlyError",
    "ServerRefusedError",
    "ServerUnreachableError",
    "SettingsError",
    "TooManyOthersError",
    "UnansweredError",
    "UnboundModelError",
    "UniqueError",
    "UnsafeError",
    "WrongKeyTypeError",
]

NOT_A_HASH: Final = "does not hold a hash"
_SHOWN = 60  # characters of a stored value that an error quotes
_MASK = "**********"  # in place of a secret


class RedisModelsError(Exception):
    """Base of every error of this library.

    Its text escapes control characters, because other clients may have written the keys, fields and values; its
    attributes do not.
    """

    _is_one_line = False

    def __str__(self) -> str:
        text = self._text()
        return printable(text) if self._is_one_line else "\n".join(map(printable, text.split("\n")))

    def _text(self) -> str:
        return super().__str__()


class ConfigurationError(RedisModelsError):
    """A declaration or a setting is wrong; the code must change."""


class SettingsError(ConfigurationError):
    """The settings module is missing or broken, or a setting is wrong.

    Attributes:
        module: Dotted name of the settings module, or None if none was named.
        reason: What is wrong and what to do, one line.
    """

    def __init__(self, module: str | None, reason: str) -> None:
        super().__init__(module, reason)
        self.module, self.reason = module, reason

    def _text(self) -> str:
        return self.reason


class ModelDeclarationError(ConfigurationError):
    """A model class cannot be stored as it is declared.

    Attributes:
        model: Name of the class.
        reason: What is wrong and what to do, one line.
    """

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def _text(self) -> str:
        return f"{self.model}: {self.reason}"


class UnboundModelError(ModelDeclarationError, AttributeError):
    """A verb was called on a model that is not bound to a store; the store of its parent class does not count.

    Also an AttributeError, because that is what pydantic-aioredis raised.
    """

    def __init__(self, model: str) -> None:
        super().__init__(
            model,
            "is not bound to a store; call redis_models.setup(), or store.register_model() with it"
            f" (type object {model!r} has no attribute '_store')",
        )
        self.args = (model,)


class DataError(RedisModelsError):
    """A record or a value is not as it should be."""

    _is_one_line = True


class InvalidPrimaryKeyError(DataError, ValueError):
    """A primary key cannot be part of a Redis key.

    Attributes:
        model: Name of the model.
        value: The primary key.
        reason: Why not, and what to do.
    """

    def __init__(self, model: str, value: object, reason: str) -> None:
        super().__init__(model, value, reason)
        self.model, self.value, self.reason = model, value, reason

    def _text(self) -> str:
        return f"{self.model}: primary key {self.value!r} {self.reason}"


class EncodeError(DataError, TypeError):
    """A value cannot be written as its declared type.

    Attributes:
        model: Name of the model.
        field: Name of the field; "insert" if the value is not an instance of the model.
        value: The value.
        reason: Why not, in most cases in pydantic's words.
    """

    def __init__(self, model: str, field: str, value: object, reason: str) -> None:
        super().__init__(model, field, value, reason)
        self.model, self.field, self.value, self.reason = model, field, value, reason

    def _text(self) -> str:
        return f"{self.model}.{self.field}: {self.value!r:.{_SHOWN}} cannot be stored: {self.reason}"


class DecodeError(DataError, ValueError):
    """A stored hash field does not read back as its declared type.

    Attributes:
        key: Redis key of the hash.
        field: Name of the hash field; "" for the record as a whole.
        raw: The bytes as stored; None if the field is missing.
        reason: Why not, in most cases in pydantic's words.
    """

    def __init__(self, key: str, field: str, raw: bytes | None, reason: str) -> None:
        super().__init__(key, field, raw, reason)
        self.key, self.field, self.raw, self.reason = key, field, raw, reason

    def _text(self) -> str:
        if not self.field:
            return f"{self.key}: {self.reason}"
        found = "is missing" if self.raw is None else f"holds {self.raw[:_SHOWN]!r}"
        return f"{self.key}: field {self.field!r} {found}: {self.reason}"


class WrongKeyTypeError(DataError):
    """The key of a record does not hold a hash, but a value of another type.

    Attributes:
        key: The Redis key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def _text(self) -> str:
        return f"{self.key}: {NOT_A_HASH}; look at it with 'TYPE {self.key}', and rename it to another prefix"


class NotFoundError(DataError, LookupError):
    """The record does not exist, or no longer exists.

    Attributes:
        model: Name of the model.
        key: The Redis key that does not exist.
    """

    def __init__(self, model: str, key: str) -> None:
        super().__init__(model, key)
        self.model, self.key = model, key

    def _text(self) -> str:
        return f"{self.model}: no record at {self.key!r}"


class ManyRecordsError(DataError):
    """One record was wanted, and more than one matches.

    Attributes:
        model: Name of the model.
        conditions: The conditions of the query, as text.
    """

    def __init__(self, model: str, conditions: str) -> None:
        super().__init__(model, conditions)
        self.model, self.conditions = model, conditions

    def _text(self) -> str:
        which = (
            f"more than one record matches {self.conditions}" if self.conditions else "there is more than one record"
        )
        return f"{self.model}: {which}; add a condition, or take one of them with first()"


class ConflictError(DataError):
    """Another client wrote the record in between, or it exists already.

    Attributes:
        key: The Redis key.
        reason: What was found and what to do.
        fields: Names of the fields that another client changed, if they are known.
    """

    def __init__(self, key: str, reason: str, fields: Sequence[str] = ()) -> None:
        super().__init__(key, reason, tuple(fields))
        self.key, self.reason, self.fields = key, reason, tuple(fields)

    def _text(self) -> str:
        return f"{self.key}: {self.reason}"


class UniqueError(ConflictError):
    """Another record holds the value of a unique index; nothing was written.

    Attributes:
        model: Name of the model.
        index: Name of the index.
        fields: The fields that it is made of.
        key: Redis key of the record that was to be written.
        holder: Redis key of the record that holds the value.
    """

    def __init__(self, model: str, index: str, fields: Sequence[str], key: str, holder: str) -> None:
        names = " and ".join(fields)
        noun = "value of" if len(fields) == 1 else "values of"
        reason = (
            f"{model} is unique by {names}, and {holder!r} has the same {noun} {names}; write another, or change or"
            " delete that record first"
        )
        super().__init__(key, reason, fields)
        self.args = (model, index, tuple(fields), key, holder)  # so that it pickles
        self.model, self.index, self.holder = model, index, holder


class DuplicateValuesError(ConflictError):
    """Records have the same value in a unique index that is being built; the index is not ready.

    Attributes:
        model: Name of the model.
        index: Name of the index.
        fields: The fields that it is made of.
        pairs: Redis keys of records, two and two; the second is empty where the first one's value is too long for the
            index, or is not stored as the model stores it.
    """

    _FIRST = 5  # pairs in the text

    def __init__(self, model: str, index: str, fields: Sequence[str], pairs: Sequence[tuple[str, str]]) -> None:
        names = " and ".join(fields)
        shown = "; ".join(
            f"{key!r} has the {names} of {holder!r}" if holder else f"{key!r} has a value that cannot be unique"
            for key, holder in pairs[: self._FIRST]
        )
        more = f"; and {len(pairs) - self._FIRST} more pairs" if len(pairs) > self._FIRST else ""
        reason = (
            f"{model} cannot be unique by {names}: {shown}{more}; change or delete these records, and build the index"
            f" {index!r} again"
        )
        super().__init__(pairs[0][0] if pairs else index, reason, fields)
        self.args = (model, index, tuple(fields), tuple(pairs))
        self.model, self.index, self.pairs = model, index, tuple(pairs)


class _VersionError(DataError):
    """This code cannot use the version of a record.

    Attributes:
        key: The Redis key.
        stored: Version of the record.
        supported: Version of the model in this process.
    """

    def __init__(self, key: str, stored: int, supported: int) -> None:
        super().__init__(key, stored, supported)
        self.key, self.stored, self.supported = key, stored, supported


class RecordTooNewError(_VersionError):
    """The record was written by a newer version of the code than this process runs."""

    def _text(self) -> str:
        return (
            f"{self.key}: stored at version {self.stored}, but this process knows its model only up to version"
            f" {self.supported}; nothing was changed. Deploy the newer code"
        )


class RecordTooOldError(_VersionError):
    """The record was written by an older version, and this process does not know a migration that upgrades it."""

    def _text(self) -> str:
        return (
            f"{self.key}: stored at version {self.stored}, but its model is at version {self.supported} and no"
            " migration between them is known here. Run 'redis-models migrate', or call redis_models.setup()"
        )


class QueryError(RedisModelsError):
    """A query cannot be answered as it is written.

    Attributes:
        reason: Why, and what to do.
    """

    _is_one_line = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def _text(self) -> str:
        return self.reason


class NoIndexError(QueryError):
    """No index serves a query, and it does not allow to read every record.

    Attributes:
        model: Name of the model.
        conditions: The conditions and the order of the query, as text.
        declare: The line of the model that declares an index which serves it.
    """

    def __init__(self, model: str, conditions: str, declare: str) -> None:
        super().__init__(
            f"{model}: no index serves {conditions or 'this query'}; declare {declare}, or read every record with"
            " allow_scan=True"
        )
        self.args = (model, conditions, declare)  # so that it pickles
        self.model, self.conditions, self.declare = model, conditions, declare


class IndexNotReadyError(QueryError):
    """The index that would serve a query is declared, but not built yet.

    Attributes:
        model: Name of the model.
        index: Name of the index.
        state: Its state in Redis: "building", or "missing" where it was not begun.
    """

    def __init__(self, model: str, index: str, state: str) -> None:
        super().__init__(
            f"{model}: the index {index!r} is {state}; run {model}.build_indexes(), or read every record with"
            " allow_scan=True"
        )
        self.args = (model, index, state)
        self.model, self.index, self.state = model, index, state


class CursorError(QueryError):
    """A cursor of a page is not readable, or its indexes have changed.

    Attributes:
        cursor: The cursor.
        reason: Why it cannot be used.
    """

    def __init__(self, cursor: str, reason: str) -> None:
        super().__init__(reason)
        self.args = (cursor, reason)
        self.cursor = cursor

    def _text(self) -> str:
        return f"the cursor {self.cursor!r:.{_SHOWN}} {self.reason}; begin with the first page: page(..., after=None)"


class IndexDamagedError(QueryError):
    """An index is marked ready, but lacks what it must have.

    Attributes:
        model: Name of the model.
        index: Name of the index.
        key: Its Redis key.
    """

    def __init__(self, model: str, index: str, key: str) -> None:
        super().__init__(
            f"{model}: the index {index!r} is empty at {key!r}, but there are records; run"
            f" {model}.build_indexes(rebuild=[{index!r}]), or read every record with allow_scan=True"
        )
        self.args = (model, index, key)
        self.model, self.index, self.key = model, index, key


class TooManyOthersError(QueryError):
    """Too many records have a value without an entry; a query would have to read them all.

    Attributes:
        model: Name of the model.
        count: How many such records there are.
        limit: How many a query reads at most.
    """

    def __init__(self, model: str, count: int, limit: int) -> None:
        super().__init__(
            f"{model}: {count:,} records have a value that no index holds, and a query reads at most {limit:,} of them;"
            f" run 'redis-models migrate' and {model}.build_indexes(), or get and save these records"
        )
        self.args = (model, count, limit)
        self.model, self.count, self.limit = model, count, limit


class ServerError(RedisModelsError):
    """The server cannot execute it now.

    Attributes:
        reason: What happened and what to do, one line.
    """

    _is_one_line = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def _text(self) -> str:
        return self.reason


class ServerUnreachableError(ServerError):
    """No connection, or no answer in time.

    Attributes:
        is_left_open: Whether a write may have been executed.
    """

    def __init__(self, reason: str, is_left_open: bool = False) -> None:
        super().__init__(reason)
        self.is_left_open = is_left_open
        self.args = (reason, is_left_open)  # so that it pickles


class ServerRefusedError(ServerError):
    """The server refuses: authentication, permissions, a read-only replica, an unknown command."""


class ServerReadOnlyError(ServerRefusedError):
    """The server is a replica, or became one."""


class ServerBusyError(ServerError):
    """The server cannot execute it now, but can later: a script runs, replicas are missing, a slot moves."""


class ServerOutOfMemoryError(ServerError):
    """The server's memory limit is reached; the write was refused whole."""


class ServerDiskError(ServerError):
    """The server cannot write to its disk, and refuses writes until it can; the write was refused whole."""


class EmbeddedServerError(ServerError):
    """The server behind ``embedded:DIR`` cannot be started."""


class MigrationError(RedisModelsError):
    """Base of the errors of migrations.

    Attributes:
        reason: What is wrong and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def _text(self) -> str:
        return self.reason


class MigrationFileError(MigrationError):
    """A migration file cannot be read, or breaks the chain.

    Attributes:
        path: The file.
        reason: What is wrong and what to do.
    """

    def __init__(self, path: str, reason: str) -> None:
        MigrationError.__init__(self, reason)
        self.args = (path, reason)
        self.path = path

    def _text(self) -> str:
        return f"{self.path}: {self.reason}"


class SchemaError(MigrationError):
    """An operation does not fit the schema that it is applied to."""


class RecordError(MigrationError):
    """A record cannot be rewritten; it is unchanged.

    Attributes:
        field: The stored field that cannot be rewritten, or "".
        raw: Its bytes, or None if it is missing.
        reason: Why, and what to do.
        quoted: Parts of the reason that may quote a stored value.
        is_told: Whether the reason comes from a function of a migration, which may quote any field of the record.
    """

    _is_one_line = True

    def __init__(
        self, field: str, raw: bytes | None, reason: str, quoted: Sequence[str] = (), is_told: bool = False
    ) -> None:
        MigrationError.__init__(self, reason)
        self.args = (field, raw, reason, tuple(quoted), is_told)
        self.field, self.raw, self.quoted, self.is_told = field, raw, tuple(quoted), is_told

    def without_values(self, *, keeps_raw: bool = False) -> "RecordError":
        """Give the same error with asterisks in place of values; with ``keeps_raw`` that of the field stays."""
        reason = self.reason
        for part in self.quoted:
            reason = reason.replace(part, _MASK) if part else reason
        return RecordError(self.field, self.raw if keeps_raw or self.raw is None else _MASK.encode(), reason)

    def _text(self) -> str:
        found = "" if self.raw is None else f" holds {self.raw[:_SHOWN]!r}"
        return f"field {self.field!r}{found}: {self.reason}" if self.field else self.reason


class UnansweredError(MigrationError):
    """The diff has questions without an answer; nothing was written.

    Attributes:
        questions: One line for each question, with the flags that answer it.
    """

    def __init__(self, questions: Sequence[str]) -> None:
        MigrationError.__init__(self, "; ".join(questions))
        self.args = (tuple(questions),)
        self.questions = tuple(questions)

    def _text(self) -> str:
        noun = "question needs an answer" if len(self.questions) == 1 else "questions need an answer"
        return "\n  ".join([f"{len(self.questions)} {noun}; nothing was written", *self.questions])


class LockedError(MigrationError):
    """Another runner holds the lease."""

    @classmethod
    def lost(cls) -> "LockedError":
        """Make the error of a runner that has lost its lease."""
        return cls(
            "another runner took the lease over, or 'migrate --abort' ended this one; it stopped, and changed nothing"
            " since"
        )


class UnsafeError(MigrationError):
    """Destructive or irreversible, and without consent."""


class IncompleteError(MigrationError):
    """Stopped before it was complete; every record is consistent, and the same command resumes."""


class DriftError(MigrationError):
    """Redis does not hold what the migration files say."""

    _is_one_line = True
