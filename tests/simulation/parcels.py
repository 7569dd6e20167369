"""What moves in schedules: one model whose records get other keys twice, and what each migration means, said again.

At position 1 of the chain a record lies at ``parcel:ID``, at 2 at ``pack:ID``, and at 3 at ``pack:CODE``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from redis_models import Field, Model

TABLES: Final = ("parcel", "pack")
NEWEST: Final = 3
MIGRATIONS: Final = {
    "0001_initial": """
class Migration(migrations.Migration):
    id = "dddd0001"
    previous = None
    versions = {"Parcel": 1}
    operations = [
        migrations.CreateModel(
            "Parcel",
            fields={"id": "str", "code": "str", "note": "str", "n": "int", "uid": "str"},
            primary_key="id",
            table="parcel",
        ),
    ]
""",
    "0002_other_table": """
class Migration(migrations.Migration):
    id = "eeee0002"
    previous = "dddd0001"
    versions = {"Parcel": 2}
    operations = [
        migrations.RenameField("Parcel", "note", "remark"),
        migrations.AlterKeys("Parcel", table="pack"),
    ]
""",
    "0003_other_primary_key": """
class Migration(migrations.Migration):
    id = "ffff0003"
    previous = "eeee0002"
    versions = {"Parcel": 3}
    operations = [
        migrations.AddField("Parcel", "zone", "str", fill="z"),
        migrations.AlterKeys("Parcel", primary_key="code"),
    ]
""",
}


def write_parcel_migrations(folder: Path) -> None:
    """Write the files of the chain."""
    for name, text in MIGRATIONS.items():
        (folder / f"{name}.py").write_text(f"from redis_models import migrations\n{text}")


def parcel_code() -> dict[int, type[Model]]:
    """Give the model as code of each version has it."""

    class First(Model):
        id: str = Field(primary_key=True)
        code: str
        note: str
        n: int = 0
        uid: str

        class Meta:
            version = 1
            table = "parcel"

    class Second(Model):
        id: str = Field(primary_key=True)
        code: str
        remark: str
        n: int = 0
        uid: str

        class Meta:
            version = 2
            table = "pack"

    class Third(Model):
        id: str
        code: str = Field(primary_key=True)
        remark: str
        n: int = 0
        uid: str
        zone: str = "z"

        class Meta:
            version = 3
            table = "pack"

    return {1: First, 2: Second, 3: Third}


@dataclass(frozen=True)
class Parcel:
    """A record as it lies on the server.

    Attributes:
        key: Where.
        version: Of its stored fields.
        fields: All of them but its stamp and its undo fields.
        ends: When it ends, in ms since 1970; -1 never.
    """

    key: str
    version: int
    fields: Mapping[str, bytes]
    ends: int = -1

    def at_version(self, version: int) -> "Parcel":
        """Give it as a run rewrites it, where it lies."""
        fields = dict(self.fields)
        if self.version == 1 < version:
            fields["remark"] = fields.pop("note")
        if version == 1 < self.version:
            fields["note"] = fields.pop("remark")
        if self.version < 3 == version:
            fields["zone"] = b"z"
        if version < 3 == self.version:
            del fields["zone"]
        return replace(self, version=version, fields=fields)

    def moved(self) -> "Parcel | None":
        """Give it under the key that belongs to its version; None if none can be made."""
        key = key_at(self.version, self.fields)
        return None if key is None else replace(self, key=key)


def key_at(version: int, fields: Mapping[str, bytes]) -> str | None:
    """Give the key of a record with these fields at a version."""
    raw = fields.get("code" if version == NEWEST else "id")
    return None if raw is None else f"{'parcel' if version == 1 else 'pack'}:{raw.decode()}"


def parcels_of(records: Mapping[str, list[Any]]) -> dict[str, list[Parcel]]:
    """Give what a dump has, by the mark that each record was made with and never loses."""
    found: dict[str, list[Parcel]] = {}
    for key, record in records.items():
        stored = {name.decode(): value for name, value in zip(record[2][::2], record[2][1::2], strict=True)}
        version = int(stored.pop("_v", b"1"))
        fields = {name: value for name, value in stored.items() if not name.startswith("_b")}
        found.setdefault(fields.get("uid", b"").decode(), []).append(Parcel(key, version, fields, record[1]))
    return found
