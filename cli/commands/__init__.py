"""The commands, a module each. Their summaries are here, so that ``--help`` need not import them."""

from typing import Final

__all__ = ["SUMMARIES"]

SUMMARIES: Final = {
    "adopt": "Take over tables that pydantic-aioredis wrote.",
    "check": "Check models, migration files and safety rules.",
    "diff": "Compare the schema stored in Redis with the models.",
    "explain": "Show what a migration does to one record.",
    "history": "Show which migrations ran, when, and by whom.",
    "inspectdb": "Draft models from existing hashes.",
    "makemigrations": "Write migrations for changes in the models.",
    "migrate": "Apply migrations, or take them back.",
    "purge": "Delete undo fields that migrations keep in records.",
    "quarantine": "Manage quarantined records.",
    "rebase": "Put the migrations of two branches in one order.",
    "relocate": "Copy all records from another database.",
    "showmigrations": "List the migrations, and which are applied.",
    "squashmigrations": "Replace several migrations by one.",
    "stamp": "Record which migrations are applied; change no record.",
    "startapp": "Add an app with a models module.",
    "startproject": "Create a project: manage.py, settings, a model.",
    "verify": "Read every record, and check the indexes.",
}
