"""Decoding, conversion and encoding of values for operations, with errors that name the field. Pure."""

from collections.abc import Callable

from redis_models.encoding.codec import FieldCodec
from redis_models.encoding.limits import UNREADABLE, refuse_endless
from redis_models.errors import RecordError, SchemaError

from ..schema.snapshot import FieldSchema, Literal
from ..schema.type_resolver import codec_of
from .conversion import accepted, convert_value
from .converters import Converter, MapValues
from .record_edit import RecordEdit
from .views import complaint

__all__ = [
    "Function",
    "called",
    "codec_of",
    "converted",
    "decoded",
    "encoded",
    "literal",
    "narrowed",
    "read",
    "read_wider",
    "stored",
    "unconfirmed",
    "validated",
]

Function = Callable[..., object]


def decoded(field: FieldSchema, raw: bytes) -> object:
    """Decode the bytes of a field, or raise ``RecordError``."""
    try:
        return field.codec.decode(raw)
    except ValueError as exc:
        problem = complaint(exc)
        reason = f"does not read back as {field.type}: {problem}; repair the record"
        raise RecordError(field.name, raw, reason, (problem,)) from exc


def read(edit: RecordEdit, field: FieldSchema, absent: object) -> object:
    """Return the value of a field of a record, or ``absent``."""
    raw = edit.get(field.name)
    return absent if raw is None else decoded(field, raw)


def validated(codec: FieldCodec, name: str, type: str, value: object) -> object:
    """Validate the result of a function as ``type``, or raise ``RecordError``."""
    try:
        return accepted(codec, value)
    except (*UNREADABLE, ValueError) as exc:
        shown, problem = f"{value!r:.60}", complaint(exc)
        raise RecordError(
            name, None, f"{shown} is not a valid {type}: {problem}", (problem, shown), is_told=True
        ) from exc


def stored(codec: FieldCodec, name: str, type: str, value: object) -> bytes:
    """Encode a value that should be of ``type``, or raise ``RecordError``."""
    try:
        return codec.encode(accepted(codec, value))
    except (*UNREADABLE, ValueError) as exc:
        shown, problem = f"{value!r:.60}", complaint(exc)
        raise RecordError(
            name, None, f"{shown} is not a valid {type}: {problem}", (problem, shown), is_told=True
        ) from exc


def literal(type: str, value: Literal, what: str) -> object:
    """Return the value of ``type`` for a literal in a migration file, or raise ``SchemaError``."""
    try:
        return codec_of(type).validate_jsonable(value)
    except (ValueError, TypeError) as exc:
        if codec_of(type).holds_secret:
            raise SchemaError(f"{what} is not a valid {type}") from None
        raise SchemaError(f"{what} {value!r} is not a valid {type}: {complaint(exc)}") from exc


def encoded(field: FieldSchema, value: Literal, what: str) -> bytes:
    """Encode a literal of a migration file, or raise ``SchemaError``."""
    return field.codec.encode(literal(field.type, value, what))


def called(function: Function, name: str, what: str, *arguments: object) -> object:
    """Call a function of a migration file; any exception becomes a ``RecordError``.

    Args:
        function: From the migration file.
        name: The field, for errors; "" for the whole record.
        what: The operation, for errors.
        arguments: Arguments of the function.
    """
    try:
        return function(*arguments)
    except RecordError:
        raise
    except Exception as exc:  # the function is the user's: any exception is a fact about this record
        problem = complaint(exc)
        reason = f"{what}: its function raised {type(exc).__name__}: {problem}; correct it, or repair the record"
        raise RecordError(name, None, reason, (problem,), is_told=True) from exc


def converted(
    field: FieldSchema,
    value: object,
    new: FieldSchema,
    function: Function | None,
    raw: bytes | None = None,
    *,
    option: str = "convert",
) -> object:
    """Convert a value to another type; the result is not validated yet (see ``validated`` and ``stored``).

    Args:
        field: Name and type before; the name may be a path.
        value: The decoded value.
        new: Name and type afterwards.
        function: Converts it; None for pydantic's lax conversion, which also converts what a converter leaves alone.
        raw: The bytes, for errors.
        option: Argument of the operation that has the function, for errors.
    """
    try:
        refuse_endless(value)
        call = function.between(field.type, new.type) if isinstance(function, MapValues) else function
        result = value if call is None else call(value)
        is_left_alone = function is None or (isinstance(function, Converter) and result is value)
        return convert_value(value, field.codec, new.codec) if is_left_alone else result
    except Exception as exc:  # the function is the user's: any exception is a fact about this record
        cure = f"correct the function of {option}="
        if function is None:
            cure = f"give {option}= a function that makes {new.type} of it"
        problem, shown = complaint(exc), f"{value!r:.60}"
        reason = f"cannot become {new.type} ({problem}); {cure}, or repair the record"
        reason = reason if raw is not None else f"{shown} {reason}"
        raise RecordError(field.name, raw, reason, (problem, shown)) from exc


def narrowed(
    new: FieldSchema, value: object, old: FieldSchema, function: Function | None, raw: bytes | None = None
) -> object:
    """Convert a value that only a wider type allows back to the older type; the result is not validated yet.

    Args:
        new: Name and wider type; the name may be a path.
        value: The decoded value.
        old: Name and older type.
        function: ``back`` of the operation; without it, the value is refused.
        raw: The bytes, for errors.
    """
    if function is not None:
        return converted(new, value, old, function, raw, option="back")
    shown = f"{value!r:.60}"
    subject = "" if raw is not None else f"{shown} "
    reason = (
        f"{subject}cannot become {old.type}, which the older version needs; give back= a function that makes"
        f" {old.type} of it, or repair the record"
    )
    raise RecordError(new.name, raw, reason, (shown,))


def unconfirmed(name: str, type: str, raw: bytes | None, made: object) -> RecordError:
    """Return the error for a value that pydantic converts back to one from which ``convert`` makes another value.

    Args:
        name: The field, or a path.
        type: The older type.
        raw: The bytes, for the error.
        made: The result of pydantic's conversion.
    """
    shown = f"{made!r:.60}"
    reason = (
        f"was changed or created since and cannot become {type}: pydantic converts it to {shown}, from which convert="
        f" makes another value; give back= a function that makes {type} of it, or repair the record"
    )
    return RecordError(name, raw, reason, (shown,))


def read_wider(old: FieldSchema, new: FieldSchema, raw: bytes) -> None:
    """Refuse bytes that the older type reads and the wider one does not."""
    try:
        new.codec.decode(raw)
    except ValueError as exc:
        decoded(old, raw)
        problem = complaint(exc)
        reason = (
            f"holds an undeclared key that is declared now, with another type ({problem}); give convert= a"
            f" function that makes {new.type} of it, or repair the record"
        )
        raise RecordError(old.name, raw, reason, (problem,)) from exc
