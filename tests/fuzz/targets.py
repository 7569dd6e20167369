"""Targets of fuzzing that need no server: each takes a source of chance, runs the real code, and passes our errors."""

import contextlib
import importlib
import io
import json
import random
import shlex
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from redis_models.cli.main import main
from redis_models.cli.makemigrations.answer_files import read_answers
from redis_models.encoding.codec import FieldCodec
from redis_models.encoding.fast_paths import reader_of
from redis_models.errors import RecordError, RedisModelsError, SchemaError
from redis_models.migrations.autodetector.answers import OPTIONS
from redis_models.migrations.edits.record_edit import RecordEdit
from redis_models.migrations.operations import AlterField
from redis_models.migrations.schema.snapshot import FieldSchema, ModelSchema, Snapshot
from redis_models.migrations.schema.type_edit import numbered
from redis_models.migrations.schema.type_resolver import codec_of
from redis_models.migrations.schema.type_spelling import NAMES
from redis_models.migrations.schema.type_tree import parse
from redis_models.migrations.state.entries import AppliedMigration
from redis_models.migrations.state.history import Event
from redis_models.migrations.state.integrity import read_as
from redis_models.migrations.state.quarantine import QuarantinedRecord
from redis_models.migrations.state.receipts import UnfinishedVerification, VerificationReceipt
from redis_models.migrations.state.store import _journal_of
from redis_models.project.settings import load_settings

from .documents import HONEST, ODD, spoiled
from .texts import mutated, type_text
from .values import stored_value

__all__ = ["TARGETS", "Target"]

Target = Callable[[random.Random], object]

_TYPES: Final = (
    *sorted(NAMES),
    "bytes[hex]",
    "bytes[utf8]",
    "int | None",
    "str | None",
    "float | None",
    "bool | None",
    "list[int]",
    "list[Any]",
    "set[int]",
    "set[datetime]",
    "frozenset[str]",
    "deque[Decimal]",
    "dict[str, int]",
    "dict[int, Decimal]",
    "dict[Decimal, Fraction]",
    "tuple[int, ...]",
    "tuple[int, Fraction, str]",
    "list[Fraction | str]",
    "list[Pattern]",
    "Literal['a', 1]",
    "Enum(A=1, B='x')",
    "Flag(A=1, B=2)",
    "Object(a=int, b=NotRequired[Fraction])",
    "list[Object(a=int) | Object(b=str)]",
    "Alias('T1', list[Ref('T1')] | int)",
    "Object('T1', a=Ref('T1') | None)",
    "dict[str, list[IPv4Network]]",
    "Any | None",
    "Url",
    "Json",
    "Custom('m.C')",
    "datetime[seconds] | None",
)
_SCRATCH: Final = Path(tempfile.gettempdir())
_OUR_ERRORS: Final = (RedisModelsError,)
_KINDS: Final[Mapping[str, type[Any]]] = {
    "ledger:shop": AppliedMigration,
    "history:shop": Event,
    "quarantine:shop": QuarantinedRecord,
    "receipt:shop": VerificationReceipt,
    "verification:shop": UnfinishedVerification,
}
_CODECS: Final[dict[str, FieldCodec]] = {}


def values(rng: random.Random) -> None:
    """Read a stored value as a type; what reads is written, and reads again as the same bytes."""
    text = rng.choice(_TYPES)
    codec = _CODECS.setdefault(text, codec_of(text))
    raw = stored_value(rng)
    try:
        value = codec.decode(raw)
    except ValueError:
        return
    with contextlib.suppress(KeyError, TypeError, ValueError):
        reader_of(codec)(raw)
    with contextlib.suppress(ValueError, TypeError):
        again = codec.encode(value)
        assert codec.encode(codec.decode(again)) == again or b"nan" in again.lower(), (text, raw)


def conversions(rng: random.Random) -> None:
    """Convert a stored value to another type and back, as a migration does."""
    old, new = rng.choice(_TYPES), rng.choice(_TYPES)
    if old == new:
        return
    before = ModelSchema("M", 1, "id", "", ":", "m", (FieldSchema("id", "str"), FieldSchema("x", old)))
    operation = AlterField("M", "x", old=old, new=new)
    after = operation.apply(Snapshot((before,))).model("M")
    draft = RecordEdit({"id": b"1", "x": stored_value(rng)})
    try:
        for step in operation.steps(before, after):
            step.backward(draft, step.forward(draft))
    except RecordError:
        return


def type_texts(rng: random.Random) -> None:
    """Read a type text, honest or spoiled; what reads is the same text again."""
    text = type_text(rng, 3)
    if rng.random() < 0.7:
        text = mutated(rng, text)
    try:
        tree = parse(text)
    except SchemaError:
        return
    assert parse(str(tree)) == tree, text
    numbered(text)
    if rng.random() < 0.1:
        with contextlib.suppress(SchemaError):
            codec_of(text)


def snapshots(rng: random.Random) -> None:
    """Read a spoiled snapshot; what reads is written and read as the same."""
    document = next(value for name, _, value in HONEST if name == "snapshot:shop")
    raw = spoiled(rng, document)
    try:
        snapshot = Snapshot.from_json(raw)
    except SchemaError:
        return
    again = Snapshot.from_json(snapshot.to_json())
    assert again == snapshot and again.fingerprint == snapshot.fingerprint, raw


def entries(rng: random.Random) -> None:
    """Read entries of ledger, history, quarantine, receipts and checkpoints, spoiled."""
    name, _, document = rng.choice([value for value in HONEST if value[0] in _KINDS])
    with contextlib.suppress(ValueError):
        read_as(_KINDS[name], spoiled(rng, document))


def journals(rng: random.Random) -> None:
    """Read the fields of a journal."""
    fields: dict[str, str] = dict.fromkeys(("target", "reach", "depth", "cursor", "seen", "changed"), "0")
    fields |= dict.fromkeys(("fingerprint", "model", "run_id", "updated_at"), "x")
    for name in rng.sample(list(fields), rng.choice((0, 1, 2))):
        odd = rng.choice(ODD)
        fields[name] = odd if isinstance(odd, str) else json.dumps(odd)
    if rng.random() < 0.3:
        del fields[rng.choice(list(fields))]
    with contextlib.suppress(ValueError, KeyError):
        _journal_of(fields)


_FLAGS: Final = ("--rename", "--drop", "--default", "--map", "--compute", "--timezone", "--renamed", "")
_ANSWERS: Final = (
    "Customer.a=b",
    "Customer.a",
    "Customer=Client",
    "Customer.a=1",
    "Customer.a='x'",
    "Customer.a=[1, {}]",
    "Customer.f:x=y",
    "Customer.a.b=c",
    "Unknown.a=b",
    "",
    "=",
    ".",
    ":",
    "Customer.a=float('inf')",
    "Customer.a=1e999",
    "Customer.a=(1).real",
    "shop.Customer.a=b",
    "Customer.a=Europe/Rome",
    "Customer.a=\ud800",
    "Customer.a=\x00",
)


def answer_files(rng: random.Random, directory: Path = _SCRATCH) -> None:
    """Read a file of answers, and answers given as flags."""
    lines: list[str] = []
    for _ in range(rng.randint(0, 3)):
        text = mutated(rng, rng.choice(_ANSWERS)) if rng.random() < 0.5 else rng.choice(_ANSWERS)
        lines.append(rng.choice((f"{rng.choice(_FLAGS)} {shlex.quote(text)}", f"{rng.choice(_FLAGS)}={text}", text)))
    raw = "\n".join(lines).encode("utf-8", "surrogatepass")
    file = directory / f"redis_models-fuzz-{id(rng)}"
    file.write_bytes(raw)
    flags = {rng.choice(sorted(OPTIONS)): [rng.choice(_ANSWERS)]} if rng.random() < 0.5 else {}
    try:
        read_answers(flags, file, {"shop": ["Customer", "Order"]})
    except (click.UsageError, *_OUR_ERRORS):
        return
    finally:
        file.unlink()


_WORDS: Final = (
    "migrate",
    "makemigrations",
    "check",
    "explain",
    "verify",
    "history",
    "purge",
    "quarantine",
    "list",
    "drop",
    "--plan",
    "--json",
    "--batch",
    "--sample",
    "--max-latency-ms",
    "--wait",
    "-n",
    "-v",
    "-q",
    "--name",
    "--help",
    "--version",
    "--key",
    "shop",
    "0002",
    "zero",
    "+1",
    "-1",
    "nan",
    "1e400",
    "x" * 300,
    "\ud800",
    "\x00",
    "",
    "--",
    "-",
    "=",
    "--batch=1",
    "--unknown",
    "9" * 400,
    "--settings",
    "no.such",
    "--no-input",
    "startapp",
    "startproject",
    "--traceback",
)


def flags(rng: random.Random) -> None:
    """Run a command line in a folder without a project: it is parsed, and refused before anything is reached."""
    words = [rng.choice(_WORDS) for _ in range(rng.randint(0, 5))]
    words = [mutated(rng, word) if word and rng.random() < 0.1 else word for word in words]
    out, err = io.StringIO(), io.StringIO()
    with _empty_folder(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words, "redis-models")
    assert code in (0, 1, 2), words
    assert "(run again with --traceback" not in err.getvalue(), (words, err.getvalue()[-300:])


@contextlib.contextmanager
def _empty_folder() -> Generator[None]:
    """Stay in a folder that is removed afterwards, with nothing to read from stdin: "-" names it as a file."""
    stdin = sys.stdin
    with tempfile.TemporaryDirectory(prefix="rm") as folder, contextlib.chdir(folder):
        sys.stdin = io.TextIOWrapper(io.BytesIO())
        try:
            yield
        finally:
            sys.stdin = stdin


_SETTINGS: Final = (
    "REDIS_URL",
    "APPS",
    "NAMESPACE",
    "BATCH_SIZE",
    "MAX_LATENCY_MS",
    "WRITE_BACK",
    "TIMEOUT_S",
    "MODELS",
    "LEASE_S",
    "APP",
)
_URLS: Final = (
    "redis://localhost:6379/0",
    "redis://h:99999",
    "redis://:p@h/x",
    "unix:///x",
    "embedded:",
    "embedded:./d",
    "",
    "x",
    "redis://" + "h" * 300,
    "rediss://h?ssl=1",
    "redis://[::1",
    "http://x",
    "redis://h\x00",
    "redis://\ud800",
)


def settings(rng: random.Random, directory: Path = _SCRATCH) -> None:
    """Load a settings module with nonsensical values."""
    settings: dict[str, Any] = {"REDIS_URL": rng.choice(_URLS), "APPS": ["shop"]}
    for name in rng.sample(_SETTINGS, rng.randint(0, 3)):
        settings[name] = rng.choice((*ODD, rng.choice(_URLS), [rng.choice(_URLS)], ["a.b", "a.b"]))
    module = f"redis_models_fuzz_{id(rng)}"
    file = directory / f"{module}.py"
    file.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    with _importable(directory, module), contextlib.suppress(*_OUR_ERRORS):
        load_settings(module)
    file.unlink()


@contextlib.contextmanager
def _importable(directory: Path, module: str) -> Generator[None]:
    sys.path.insert(0, str(directory))
    sys.modules.pop(module, None)
    importlib.invalidate_caches()
    was, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = was
        sys.path.remove(str(directory))
        sys.modules.pop(module, None)


# Each with its share of all inputs, in thousandths.
TARGETS: Final[Mapping[str, tuple[Target, int]]] = {
    "stored values": (values, 600),
    "conversions": (conversions, 40),
    "type texts": (type_texts, 15),
    "snapshots": (snapshots, 120),
    "ledgers, histories, quarantines, receipts": (entries, 130),
    "journals": (journals, 70),
    "answer files": (answer_files, 18),
    "flags": (flags, 5),
    "settings": (settings, 2),
}
