"""Safety rules: what a migration may break, why, and how it is done safely; one of each code. Pure."""

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
        code: What it is called.
        level: Whether it needs a consent.
        breaks: What may break.
        why: Why that is so.
        recipe: How it is done safely.
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
        "Code of the older version may still run, and read or write them; they stay in the records, as undo fields.",
        "Stop using the field, deploy that, and remove it in a later migration.",
    ),
    Rule(
        "RM102",
        Level.WARN,
        "Records that are made afterwards stop the way back, because the older version needs a value.",
        "A field that is required and has no default is removed, and back= says nothing.",
        "Give the operation back=, the value for such records, now or when the way back stops.",
    ),
    Rule(
        "RM103",
        Level.REFUSE,
        "The application can no longer see these extra fields.",
        "The model takes none any more, or a new field takes the name of one; they stay in the records.",
        "Declare what is needed, with AddField(..., extra='take'), or move it with Transform; then remove the rest.",
    ),
    Rule(
        "RM104",
        Level.WARN,
        "Values that do not convert stop the run.",
        "The new type holds less than the old one.",
        "Look at them with 'explain', give convert= a function that takes all of them, or correct the records first.",
    ),
    Rule(
        "RM105",
        Level.WARN,
        "Values that only the newer type holds stop the way back.",
        "The type is widened, and back= does not say what becomes of them.",
        "Give back= a function that makes a value of the older type of them, now or when the way back stops.",
    ),
    Rule(
        "RM106",
        Level.REFUSE,
        "Each attempt at a record would give another value.",
        "The function looks at a clock or at chance, and it may run again for the same record.",
        "Derive the value from the record, or write it beforehand with a Run step.",
    ),
    Rule(
        "RM107",
        Level.REFUSE,
        "A run that resumes may give other results, or stop at something far away.",
        "The function reaches out of its record: to files, the network, the environment, or global state.",
        "Fetch what it needs beforehand, and put it into the file as a literal.",
    ),
    Rule(
        "RM108",
        Level.WARN,
        "Records that are changed afterwards cannot be taken back.",
        "A function converts them, and back= does not say the other way.",
        "Give the operation back=.",
    ),
    Rule(
        "RM109",
        Level.WARN,
        "A value that is changed afterwards comes back in another spelling.",
        "The way back does not give the stored bytes of every record; undo fields hold them until the next write.",
        "Give back= a function that restores the old spelling, if it matters.",
    ),
    Rule(
        "RM111",
        Level.WARN,
        "Code of the older version does not know the new value, and code of the newer one not the old.",
        "A member of an enum or a Literal goes, and records hold it.",
        "Accept both in the code, deploy that, migrate, and remove the member in a later migration.",
    ),
    Rule(
        "RM112",
        Level.REFUSE,
        "While the records move, no code finds all of them.",
        "Their keys change, and each version of the code makes only its own: it misses records, or writes them twice.",
        "Stop what uses the model for that time, or make it tolerate missing records.",
    ),
    Rule(
        "RM116",
        Level.WARN,
        "What the function writes is not checked, fenced, resumed or taken back.",
        "It sends commands to the server itself.",
        "Use operations or Transform where they can do it.",
    ),
    Rule(
        "RM117",
        Level.REFUSE,
        "The server answers no client for that time, or loses everything.",
        "The command looks at all keys at once, or deletes them.",
        "Scan with scan_iter, and delete by name.",
    ),
    Rule(
        "RM118",
        Level.REFUSE,
        "What it reads and writes is not what the model's own methods make and read.",
        "The model overrides serialize_partially or deserialize_partially, which a migration cannot call.",
        "Add a field of another name, fill it through the model, and remove the old one; or say why it is right.",
    ),
    Rule(
        "RM119",
        Level.WARN,
        "Many records end at the same time, and the application misses them all at once.",
        "Every record gets its TTL in the moment when it is rewritten.",
        "Use the policy 'jitter', or 'new-only'.",
    ),
    Rule(
        "RM122",
        Level.WARN,
        "A script holds the server up for as long as such a record takes.",
        "A record is larger than a megabyte, or has thousands of fields.",
        "Run with --batch 1, or split the record first.",
    ),
    Rule(
        "RM131",
        Level.REFUSE,
        "The migration changes, or breaks, when the application does.",
        "The file imports code that will be another one when it runs for the next time.",
        "Copy what it needs into the file; functions get typed views of old and new records, so no model is needed.",
    ),
)


RULES: Final[Mapping[str, Rule]] = {rule.code: rule for rule in _ALL}
