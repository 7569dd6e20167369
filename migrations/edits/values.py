"""Values in and out of records for operations: decoded, converted, encoded, with errors that name the field. Pure."""

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
        said = complaint(exc)
        reason = f"does not read back as {field.type}: {said}; mend the record"
        raise RecordError(field.name, raw, reason, (said,)) from exc


def read(edit: RecordEdit, field: FieldSchema, absent: object) -> object:
    """Give the value that a record has in a field, or ``absent``."""
    raw = edit.get(field.name)
    return absent if raw is None else decoded(field, raw)


def validated(codec: FieldCodec, name: str, type: str, value: object) -> object:
    """Make a value of ``type`` of what a function gave, or raise ``RecordError``."""
    try:
        return accepted(codec, value)
    except (*UNREADABLE, ValueError) as exc:
        shown, said = f"{value!r:.60}", complaint(exc)
        raise RecordError(name, None, f"{shown} is no {type}: {said}", (said, shown), is_told=True) from exc


def stored(codec: FieldCodec, name: str, type: str, value: object) -> bytes:
    """Encode a value that should be of ``type``, or raise ``RecordError``."""
    try:
        return codec.encode(accepted(codec, value))
    except (*UNREADABLE, ValueError) as exc:
        shown, said = f"{value!r:.60}", complaint(exc)
        raise RecordError(name, None, f"{shown} is no {type}: {said}", (said, shown), is_told=True) from exc


def literal(type: str, value: Literal, what: str) -> object:
    """Give the value of ``type`` that a literal in a migration file stands for, or raise ``SchemaError``."""
    try:
        return codec_of(type).validate_jsonable(value)
    except (ValueError, TypeError) as exc:
        if codec_of(type).holds_secret:
            raise SchemaError(f"{what} is no {type}") from None
        raise SchemaError(f"{what} {value!r} is no {type}: {complaint(exc)}") from exc


def encoded(field: FieldSchema, value: Literal, what: str) -> bytes:
    """Encode a literal of a migration file, or raise ``SchemaError``."""
    return field.codec.encode(literal(field.type, value, what))


def called(function: Function, name: str, what: str, *arguments: object) -> object:
    """Call a function of a migration file; whatever it raises is a fact about this record.

    Args:
        function: The user's.
        name: Of the field, for errors; "" where it is about the whole record.
        what: What calls it, for errors.
        arguments: What it is called with.
    """
    try:
        return function(*arguments)
    except RecordError:
        raise
    except Exception as exc:  # the function is the user's: whatever it raises is a fact about this record
        said = complaint(exc)
        reason = f"{what}: its function raised {type(exc).__name__}: {said}; correct it, or mend the record"
        raise RecordError(name, None, reason, (said,), is_told=True) from exc


def converted(
    field: FieldSchema,
    value: object,
    new: FieldSchema,
    function: Function | None,
    raw: bytes | None = None,
    *,
    option: str = "convert",
) -> object:
    """Turn a value of one type into what should be one of another; ``validated`` or ``stored`` comes next.

    Args:
        field: Name and type of it as it is; the name may be a path.
        value: As decoded.
        new: Likewise as it is to be.
        function: How; None for pydantic's lax conversion, which also serves for what a converter leaves alone.
        raw: The bytes, for errors.
        option: Of the operation, which gives the function; for errors.
    """
    try:
        refuse_endless(value)
        call = function.between(field.type, new.type) if isinstance(function, MapValues) else function
        result = value if call is None else call(value)
        is_left_alone = function is None or (isinstance(function, Converter) and result is value)
        return convert_value(value, field.codec, new.codec) if is_left_alone else result
    except Exception as exc:  # the function is the user's: whatever it raises is a fact about this record
        cure = f"correct the function of {option}="
        if function is None:
            cure = f"give {option}= a function that makes {new.type} of it"
        said, shown = complaint(exc), f"{value!r:.60}"
        reason = f"cannot become {new.type} ({said}); {cure}, or mend the record"
        reason = reason if raw is not None else f"{shown} {reason}"
        raise RecordError(field.name, raw, reason, (said, shown)) from exc


def narrowed(
    new: FieldSchema, value: object, old: FieldSchema, function: Function | None, raw: bytes | None = None
) -> object:
    """Turn a value that only a wider type has into what should be one of the older type, on the way back.

    Args:
        new: Name and wider type; the name may be a path.
        value: As decoded.
        old: Likewise with the older type.
        function: The ``back`` of the operation; None, and there is no such way.
        raw: The bytes, for errors.
    """
    if function is not None:
        return converted(new, value, old, function, raw, option="back")
    shown = f"{value!r:.60}"
    held = "" if raw is not None else f"{shown} "
    reason = (
        f"{held}cannot become {old.type}, which the older version needs; give back= a function that makes {old.type} of"
        " it, or mend the record"
    )
    raise RecordError(new.name, raw, reason, (shown,))


def unconfirmed(name: str, type: str, raw: bytes | None, made: object) -> RecordError:
    """Make the error of a value for which pydantic has a way back that the function forwards does not confirm.

    Args:
        name: Of the field; it may be a path.
        type: Of the older version.
        raw: The bytes, for the error.
        made: What pydantic makes of the value.
    """
    shown = f"{made!r:.60}"
    reason = (
        f"was changed or made since, and cannot become {type}: pydantic makes {shown} of it, of which convert= makes"
        f" something else; give back= a function that makes {type} of it, or mend the record"
    )
    return RecordError(name, raw, reason, (shown,))


def read_wider(old: FieldSchema, new: FieldSchema, raw: bytes) -> None:
    """Refuse bytes that the older type reads, and the wider one does not."""
    try:
        new.codec.decode(raw)
    except ValueError as exc:
        decoded(old, raw)
        said = complaint(exc)
        reason = (
            f"holds an undeclared key that is declared by now, and is none of its type ({said}); give convert= a"
            f" function that makes {new.type} of it, or mend the record"
        )
        raise RecordError(old.name, raw, reason, (said,)) from exc
