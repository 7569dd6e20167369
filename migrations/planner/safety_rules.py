"""Safety rules: what a migration may break, why, and how to do it safely. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["RULES", "Level", "Rule"]


class Level(StrEnum):
    """What a finding means for ``migrate``."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Rule:
    """One safety rule.

    Attributes:
        code: Its name.
        level: Whether it needs consent.
        breaks: What may break.
        why: Why it may break.
        recipe: How to do it safely.
    """

    code: str
    level: Level
    breaks: str
    why: str
    recipe: str


_ALL: Final = (
    Rule(
        "RM101",
        Level.REFUSE,
        "The application can no longer see these values.",
        "Code of the older version may still read or write them. They stay in the records as undo fields.",
        "Stop using the field, deploy that, and remove it in a later migration.",
    ),
    Rule(
        "RM102",
        Level.WARN,
        "Records that are inserted afterwards cannot be taken back: the older version needs a value.",
        "A required field without a default is removed, and back= is not given.",
        "Give the operation back= with a value for such records, now or when taking back stops.",
    ),
    Rule(
        "RM103",
        Level.REFUSE,
        "The application can no longer see these extra fields.",
        "The model no longer allows extra fields, or a new field has the name of one. They stay in the records.",
        "Declare what you need with AddField(..., extra='take'), or move it with Transform; then remove the rest.",
    ),
    Rule(
        "RM104",
        Level.WARN,
        "Values that cannot be converted stop the run.",
        "The new type allows fewer values than the old one.",
        "Look at them with 'explain'; then give convert= a function for all of them, or correct the records first.",
    ),
    Rule(
        "RM105",
        Level.WARN,
        "Values that only the newer type allows cannot be taken back.",
        "The type is widened, and back= does not say how to convert them back.",
        "Give back= a function that converts them to the older type, now or when taking back stops.",
    ),
    Rule(
        "RM106",
        Level.REFUSE,
        "A record may get a different value each time the function runs.",
        "The function uses the time or random numbers, and it may run twice for the same record.",
        "Compute the value from the record, or write it in an earlier migration with Run().",
    ),
    Rule(
        "RM107",
        Level.REFUSE,
        "A resumed run may give other results, or fail for reasons outside the database.",
        "The function uses more than its record: files, the network, the environment, or global state.",
        "Look up in advance what it needs, and write that into the file as a literal.",
    ),
    Rule(
        "RM108",
        Level.WARN,
        "Records that change after the migration cannot be taken back.",
        "A function rewrites them, and back= is not given.",
        "Give the operation back= with the reverse function.",
    ),
    Rule(
        "RM109",
        Level.WARN,
        "Values that change after the migration may return in another spelling.",
        "Converting back does not give the old bytes for every value. Undo fields restore only unchanged values.",
        "If the spelling matters, give back= a function that restores it.",
    ),
    Rule(
        "RM111",
        Level.WARN,
        "Old code does not know the new value, and new code does not know the old one.",
        "A member of an enum or a Literal is removed, and records may hold it.",
        "Accept both in the code, deploy that, migrate, and remove the member in a later migration.",
    ),
    Rule(
        "RM112",
        Level.REFUSE,
        "While keys are renamed, no code finds all records.",
        "Each version of the code uses only its own keys: it misses records, or writes them twice.",
        "Stop the code that uses the model meanwhile, or make it tolerate missing records.",
    ),
    Rule(
        "RM116",
        Level.WARN,
        "What the function writes is not checked, fenced, resumed or taken back.",
        "It sends commands to the server itself.",
        "Use operations or Transform if they can do it.",
    ),
    Rule(
        "RM117",
        Level.REFUSE,
        "The server blocks all clients meanwhile, or loses all keys.",
        "The command reads all keys at once, or deletes them.",
        "Use scan_iter, and delete keys by name.",
    ),
    Rule(
        "RM118",
        Level.REFUSE,
        "The migration reads and writes values without the model's own methods, so it may misread or damage them.",
        "The model overrides serialize_partially or deserialize_partially, which a migration cannot call.",
        "Add a field with another name, fill it through the model, and remove the old one; or allow it with a reason.",
    ),
    Rule(
        "RM119",
        Level.WARN,
        "Many records expire at the same time, and the application loses them all at once.",
        "Every record gets its TTL when it is rewritten.",
        "Use the policy 'jitter', or 'new-only'.",
    ),
    Rule(
        "RM122",
        Level.WARN,
        "The script that rewrites a large record blocks the server.",
        "A record is larger than a megabyte, or has thousands of fields.",
        "Run with --batch 1, or split the record first.",
    ),
    Rule(
        "RM131",
        Level.REFUSE,
        "The migration changes or breaks when the application changes.",
        "The file imports code that may have changed when the migration runs again.",
        "Copy what it needs into the file. Functions get typed views of old and new records, so they need no model.",
    ),
)


RULES: Final[Mapping[str, Rule]] = {rule.code: rule for rule in _ALL}
