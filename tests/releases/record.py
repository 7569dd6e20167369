"""Record what a release leaves in a database, for the releases after it: ``python -m tests.releases.record FOLDER``.

Run it with the last commit of a release. It makes a project of three apps on a server of its own:

``shop``      a run forward that was killed, with records in quarantine
``billing``   a run back that was killed
``crm``       in order: a migration was taken back and applied again, then verified; it holds a receipt

and stores ``project.json`` (models and migration files; JSON keeps formatters away from applied files),
``halfway.json`` (every key of the database then), ``commands.json`` (what commands of this release said of it), and
``ended.json`` (its records after this release ended both runs).
"""

import json
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..conftest import Server
from ..support.projects import Project
from .database import dump, records, write

__all__ = ["COMMANDS", "FAST", "ask", "end_runs"]

# Commands that write no record, and whose answers must stay what they were.
COMMANDS: Final = (
    ("showmigrations",),
    ("history", "-n", "100"),
    ("quarantine", "list"),
    ("migrate", "shop", "--status"),
    ("migrate", "billing", "--status"),
    ("migrate", "--check"),
    ("migrate", "crm", "--check", "--verified"),
    ("check",),
    ("verify", "crm"),
)
FAST: Final = ("--max-latency-ms", "0", "--yes", "--allow-destructive", "--ignore-sample", "--workers", "1")
_RECORDS: Final = 240
_LOOKED_AT: Final = 12  # records, while a run goes on
_FOR_EVER_MS: Final = 4_000_000_000_000  # in the year 2096

_SHOP: Final = """
from datetime import date

from redis_models import Field, Model

class Customer(Model):
    id: str = Field(primary_key=True)
    {fields}
    born: date

    class Meta:
        prefix = "shop"
        version = {version}
"""
_BILLING: Final = """
from pydantic import BaseModel

from redis_models import Field, Model

class Line(BaseModel):
    sku: str
    cents: int

class Invoice(Model):
    id: int = Field(primary_key=True)
    lines: list[Line]
    {fields}

    class Meta:
        version = {version}
"""
_CRM: Final = """
from enum import StrEnum

from pydantic import SecretStr

from redis_models import Field, Model

class Level(StrEnum):
    BASIC = "basic"
    GOLD = "gold"

class Account(Model):
    email: str = Field(primary_key=True)
    level: Level = Level.BASIC
    token: SecretStr
    {fields}

    class Meta:
        version = {version}
"""
_MIGRATIONS: Final = {
    "shop/redis_migrations/0001_initial.py": """
class Migration(migrations.Migration):
    id = "5a000001"
    previous = None
    versions = {"Customer": 1}
    operations = [
        migrations.CreateModel(
            "Customer",
            fields={"id": "str", "name": "str", "age": "str", "born": "date"},
            primary_key="id",
            table="customer",
            prefix="shop",
        ),
    ]
""",
    "shop/redis_migrations/0002_ages.py": """
def to_age(text):
    return int(text)


def initial(old):
    return old.full_name[:1].upper()


class Migration(migrations.Migration):
    id = "5a000002"
    previous = "5a000001"
    versions = {"Customer": 2}
    operations = [
        migrations.RenameField("Customer", "name", "full_name"),
        migrations.AlterField("Customer", "age", old="str", new="int", convert=to_age, back=str),
        migrations.AddField("Customer", "initial", "str", fill=initial),
    ]
""",
    "billing/redis_migrations/0001_initial.py": """
class Migration(migrations.Migration):
    id = "b1000001"
    previous = None
    versions = {"Invoice": 1}
    operations = [
        migrations.CreateModel(
            "Invoice",
            fields={
                "id": "int",
                "lines": "list[Object('Line', {'sku': 'str', 'cents': 'int'})]",
                "customer": "str",
                "note": "str",
            },
            primary_key="id",
            table="invoice",
        ),
    ]
""",
    "billing/redis_migrations/0002_paid.py": """
def paid(old):
    return int(old.id) % 2 == 0


def to_number(note):
    return int(note.removeprefix("n"))


def from_number(note):
    return f"n{note}"


class Migration(migrations.Migration):
    id = "b1000002"
    previous = "b1000001"
    versions = {"Invoice": 2}
    operations = [
        migrations.AddField("Invoice", "paid", "bool", fill=paid),
        migrations.AlterField("Invoice", "note", old="str", new="int", convert=to_number, back=from_number),
    ]
""",
}


def ask(project: Project) -> dict[str, dict[str, Any]]:
    """Give what commands say of a database: their exit codes, and what they print as JSON."""
    answers = {" ".join(command): _said(project, *command) for command in COMMANDS}
    for record in answers["quarantine list"]["said"]["records"]:
        command = ("quarantine", "show", record["key"])
        answers[" ".join(command)] = _said(project, *command)
    return answers


def end_runs(project: Project) -> None:
    """End both runs, and take one record of five out of quarantine.

    Both ``migrate shop`` exit 1, because records are in quarantine afterwards.
    """
    consents = ("--on-error", "quarantine", *FAST)
    for code, command in (
        (1, ("migrate", "shop", *consents)),
        (0, ("migrate", "billing", "1", *FAST)),
        (0, ("quarantine", "set", "shop:customer:13", "age=13")),
    ):
        ran = project.run(*command)
        assert ran.code == code, (command, ran)


def main(folder: Path) -> None:
    """Record everything into a folder, which is emptied first."""
    with tempfile.TemporaryDirectory(prefix="rm") as temporary:
        root, place = Path(temporary) / "project", Path(temporary) / "server"
        root.mkdir()
        place.mkdir()
        server = Server(place)
        try:
            project = Project(root, server)
            project.settings(REDIS_URL=server.url, APPS=["shop", "billing", "crm"])
            _make(project, server)
            with server.client() as client:
                stopped = dump(client)
                said = ask(project)
                end_runs(project)
                ended = records(client)
        finally:
            server.stop()
        texts = {str(path.relative_to(root)): path.read_text("utf-8") for path in sorted(_sources(root))}
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "project.json", texts)
    write(folder / "halfway.json", stopped)
    write(folder / "commands.json", said)
    write(folder / "ended.json", ended)


def _sources(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc" and path.name != "settings.py")


def _said(project: Project, *command: str) -> dict[str, Any]:
    ran = project.run("--json", *command)
    return {"code": ran.code, "said": json.loads(ran.out) if ran.out else None}


def _make(project: Project, server: Server) -> None:
    for path, text in _MIGRATIONS.items():
        project.write(path, "from redis_models import migrations\n" + text)
        project.write(f"{path.partition('/')[0]}/__init__.py", "")
    _deploy(project, shop=1, billing=1, crm=1)
    _succeed(project, "makemigrations", "crm", "-n", "initial")
    for app in ("shop", "billing"):
        _succeed(project, "migrate", app, "1", *FAST)
    _succeed(project, "migrate", "crm", *FAST)
    _fill(server)
    _deploy(project, shop=2, billing=2, crm=2)
    _succeed(project, "makemigrations", "crm", "-n", "names")
    for target in ("2", "1", "2"):
        _succeed(project, "migrate", "crm", target, *FAST)
    _succeed(project, "verify", "crm")
    _succeed(project, "migrate", "billing", "2", *FAST)
    _killed(project, server, "shop:customer", b"2", "migrate", "shop", "--on-error", "quarantine", *FAST)
    _killed(project, server, "invoice", b"1", "migrate", "billing", "1", *FAST)


def _deploy(project: Project, *, shop: int, billing: int, crm: int) -> None:
    ages = {1: "name: str\n    age: str", 2: "full_name: str\n    age: int\n    initial: str"}
    paid = {1: "customer: str\n    note: str", 2: "customer: str\n    note: int\n    paid: bool"}
    names = {1: "name: str = ''", 2: "first_name: str = Field('', renamed_from='name')\n    logins: int = 0"}
    project.write("shop/models.py", _SHOP.format(version=shop, fields=ages[shop]))
    project.write("billing/models.py", _BILLING.format(version=billing, fields=paid[billing]))
    project.write("crm/models.py", _CRM.format(version=crm, fields=names[crm]))
    project.write("crm/__init__.py", "")


def _fill(server: Server) -> None:
    with _pipeline(server) as pipeline:
        for number in range(_RECORDS):
            age = "many" if number % 50 == 13 else str(number)
            _store(
                pipeline,
                f"shop:customer:{number}",
                "shop:customer",
                id=number,
                name=f"n{number}",
                age=age,
                born='"1990-01-31"',
            )
            lines = json.dumps([{"sku": f"s{number}", "cents": number}])
            _store(
                pipeline,
                f"invoice:{number}",
                "invoice",
                id=number,
                lines=lines,
                customer=f"c{number}",
                note=f"n{number}",
            )
            email = f"{number}@example.org"
            _store(pipeline, f"account:{email}", "account", email=email, level='"gold"', token='"t"', name=f"n{number}")
        pipeline.pexpireat("shop:customer:7", _FOR_EVER_MS)
        pipeline.execute_command("HPEXPIREAT", "invoice:8", _FOR_EVER_MS, "FIELDS", 1, "note")
        pipeline.execute()


@contextmanager
def _pipeline(server: Server) -> Generator[Any]:
    client: Any = server.client()  # whose types leave much unknown
    with client, client.pipeline(transaction=False) as pipeline:
        yield pipeline


def _store(pipeline: Any, key: str, table: str, **fields: object) -> None:
    pipeline.hset(key, mapping={"_v": 1, **fields})
    pipeline.zadd(f"{table}:__index", {key: 0})


def _succeed(project: Project, *command: str) -> None:
    ran = project.run(*command)
    assert ran.code == 0, (command, ran)


def _killed(project: Project, server: Server, table: str, version: bytes, *command: str) -> None:
    """Kill a run when a third of some records have the version that it brings them to."""
    process = project.start(*command, "--batch", "1")
    with _pipeline(server) as pipeline:
        reached = 0
        while reached < _LOOKED_AT // 3 and process.poll() is None:
            for number in range(_LOOKED_AT):
                pipeline.hget(f"{table}:{number}", "_v")
            reached = pipeline.execute().count(version)
    process.kill()
    assert project.end(process).code == -signal.SIGKILL, "the run was quicker; try again"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
