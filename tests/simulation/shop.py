"""What is migrated in schedules: two models, their migrations, and what each migration means, said a second time.

The second saying is the oracle. It knows nothing of the product but field names, so that what both say is true.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from redis_models import Field, Model

MIGRATIONS: Final = {
    "0001_initial": """
class Migration(migrations.Migration):
    id = "aaaa0001"
    previous = None
    versions = {"Customer": 1, "Order": 1}
    operations = [
        migrations.CreateModel(
            "Customer",
            fields={"id": "str", "name": "str", "legacy_ref": "str", "age": "str", "visits": "int", "code": "str"},
            primary_key="id",
            table="customer",
        ),
        migrations.CreateModel("Order", fields={"id": "str", "sum": "str"}, primary_key="id", table="order"),
    ]
""",
    "0002_rename": """
class Migration(migrations.Migration):
    id = "bbbb0002"
    previous = "aaaa0001"
    versions = {"Customer": 2}
    operations = [
        migrations.RenameField("Customer", "name", "full_name"),
        migrations.RenameField("Customer", "code", "tag"),
        migrations.AddField("Customer", "currency", "str", fill="EUR"),
        migrations.RemoveField("Customer", "legacy_ref", back="none"),
    ]
""",
    "0003_retype": """
def to_age(text):
    return None if text == "NA" else int(text)

def from_age(age):
    return "NA" if age is None else str(age)

def initial(old):
    return old.full_name[:1].upper()

def bonus(old, new):
    new.visits = old.visits + 1000

def malus(old, new):
    new.visits = old.visits - 1000

class Migration(migrations.Migration):
    id = "cccc0003"
    previous = "bbbb0002"
    versions = {"Customer": 3, "Order": 2}
    operations = [
        migrations.AlterField("Customer", "age", old="str", new="int | None", convert=to_age, back=from_age),
        migrations.AddField("Customer", "initial", "str", fill=initial),
        migrations.Transform("Customer", bonus, back=malus),
        migrations.RenameField("Order", "sum", "total"),
        migrations.AddField("Order", "paid", "str", fill="no"),
    ]
""",
}


def write_migrations(folder: Path) -> None:
    """Write the files of the chain."""
    for name, text in MIGRATIONS.items():
        (folder / f"{name}.py").write_text(f"from redis_models import migrations\n{text}")


def old_code() -> list[Any]:
    """Give the models of the first version."""

    class Customer(Model):
        id: str = Field(primary_key=True)
        name: str
        legacy_ref: str
        age: str
        visits: int = 0
        code: str = ""

        class Meta:
            version = 1

    class Order(Model):
        id: str = Field(primary_key=True)
        sum: str

        class Meta:
            version = 1

    return [Customer, Order]


def new_code() -> list[Any]:
    """Give the models of the last version."""

    class Customer(Model):
        id: str = Field(primary_key=True)
        full_name: str
        currency: str = "EUR"
        age: int | None
        initial: str
        visits: int = 0
        tag: str = ""

        class Meta:
            version = 3

    class Order(Model):
        id: str = Field(primary_key=True)
        total: str
        paid: str = "no"

        class Meta:
            version = 2

    return [Customer, Order]


@dataclass(frozen=True)
class State:
    """One record as it must be.

    Attributes:
        version: Of its stored fields.
        fields: All of them, as bytes.
        undo: What going back must restore: the field, and for ``age`` the value of the new bytes.
        is_stamped: Whether it says its version; one of version 1 need not.
        ends: When it ends, in ms since 1970; -1 never.
        field_ends: Likewise for fields that end, those of undo fields too.
    """

    version: int
    fields: Mapping[str, bytes]
    undo: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    is_stamped: bool = True
    ends: int = -1
    field_ends: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Kind:
    """A model, as the oracle knows it.

    Attributes:
        name, table: Its names.
        fields: Stored fields by version.
        versions: Its version by position in the chain.
        optional: Fields that may end before their record.
        up, down: From each version to the next one, and from each to the one before.
    """

    name: str
    table: str
    fields: Mapping[int, frozenset[str]]
    versions: tuple[int, ...]
    optional: frozenset[str]
    up: Mapping[int, Callable[[State], State]]
    down: Mapping[int, Callable[[State], State]]

    @property
    def newest(self) -> int:
        """The last version."""
        return max(self.fields)

    def moved(self, state: State, version: int) -> State:
        """Give a record as it is to be at another version."""
        while state.version < version:
            state = self.up[state.version](state)
        while state.version > version:
            state = self.down[state.version](state)
        return state


def is_stuck(state: State | None, version: int) -> bool:
    """Whether a record cannot be brought to a version, because the function of the third cannot convert its age."""
    return state is not None and state.version < 3 <= version and state.fields.get("age", b"").startswith(b"x")


def _named(state: State, names: Mapping[str, str], version: int) -> State:
    fields = {names.get(name, name): raw for name, raw in state.fields.items()}
    field_ends = {names.get(name, name): ends for name, ends in state.field_ends.items()}
    return replace(state, version=version, fields=fields, field_ends=field_ends)


def _without(state: State, *names: str) -> State:
    fields = {name: raw for name, raw in state.fields.items() if name not in names}
    field_ends = {name: ends for name, ends in state.field_ends.items() if name not in names}
    return replace(state, fields=fields, field_ends=field_ends)


def _with(state: State, **fields: bytes) -> State:
    return replace(state, fields={**state.fields, **fields})


def _customer_1_2(state: State) -> State:
    after = _named(state, {"name": "full_name", "code": "tag", "legacy_ref": "undo legacy_ref"}, 2)
    after = _with(after, currency=b"EUR")
    kept = {"legacy_ref": state.fields["legacy_ref"]}
    fields = {name: raw for name, raw in after.fields.items() if name != "undo legacy_ref"}
    return replace(after, fields=fields, undo={**state.undo, **kept})


def _customer_2_1(state: State) -> State:
    legacy_ref = state.undo.get("legacy_ref", b"none")
    after = _named(_without(state, "currency"), {"full_name": "name", "tag": "code"}, 1)
    after = replace(after, undo={}, field_ends=_back(after.field_ends, "legacy_ref"))
    is_stamped = state.is_stamped
    return replace(_with(after, legacy_ref=legacy_ref), is_stamped=is_stamped)


def _back(field_ends: Mapping[str, int], name: str) -> dict[str, int]:
    return {name if live == f"undo {name}" else live: ends for live, ends in field_ends.items()}


def _customer_2_3(state: State) -> State:
    text = state.fields["age"]
    age = b"None" if text == b"NA" else b"%d" % int(text)
    initial = state.fields["full_name"][:1].upper()
    visits = b"%d" % (int(state.fields["visits"]) + 1000)
    after = _with(replace(state, version=3), age=age, initial=initial, visits=visits)
    return replace(after, undo={**state.undo, "age": text, "new age": age})


def _customer_3_2(state: State) -> State:
    age = state.fields["age"]
    text = b"NA" if age == b"None" else age
    if state.undo.get("new age") == age:
        text = state.undo["age"]
    visits = b"%d" % (int(state.fields["visits"]) - 1000)
    after = _with(_without(replace(state, version=2), "initial"), age=text, visits=visits)
    return replace(after, undo={name: raw for name, raw in state.undo.items() if name == "legacy_ref"})


def _order_1_2(state: State) -> State:
    return _with(_named(state, {"sum": "total"}, 2), paid=b"no")


def _order_2_1(state: State) -> State:
    return _named(_without(state, "paid"), {"total": "sum"}, 1)


CUSTOMER: Final = Kind(
    "Customer",
    "customer",
    {
        1: frozenset(("id", "name", "legacy_ref", "age", "visits", "code")),
        2: frozenset(("id", "full_name", "age", "visits", "tag", "currency")),
        3: frozenset(("id", "full_name", "age", "visits", "tag", "currency", "initial")),
    },
    (1, 1, 2, 3),
    frozenset(("code", "tag")),
    {1: _customer_1_2, 2: _customer_2_3},
    {2: _customer_2_1, 3: _customer_3_2},
)
ORDER: Final = Kind(
    "Order",
    "order",
    {1: frozenset(("id", "sum")), 2: frozenset(("id", "total", "paid"))},
    (1, 1, 1, 2),
    frozenset(),
    {1: _order_1_2},
    {2: _order_2_1},
)
KINDS: Final = (CUSTOMER, ORDER)
