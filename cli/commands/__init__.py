"""The commands, a module each; here is what each does, in a line, so that ``--help`` need not import them all."""

from typing import Final

__all__ = ["SUMMARIES"]

SUMMARIES: Final = {
    "adopt": "Take over tables that pydantic-aioredis wrote.",
    "check": "Check models, migration files and safety rules.",
    "diff": "Show what lies between Redis and the models.",
    "explain": "Show what a migration does to one record.",
    "history": "Show what was done to the database.",
    "inspectdb": "Draft models from the hashes that are there.",
    "makemigrations": "Write the migration that leads to the models.",
    "migrate": "Apply or take back migrations.",
    "purge": "Delete what migrations kept for the way back.",
    "quarantine": "See to records that could not be rewritten.",
    "rebase": "Put migrations of two branches into one line.",
    "relocate": "Copy all records from another database.",
    "showmigrations": "Show the migrations, and which are applied.",
    "squashmigrations": "Put one migration in the place of several.",
    "stamp": "Record where the database is; touch no record.",
    "startapp": "Add an app with a models module.",
    "startproject": "Begin a project: manage.py, settings, a model.",
    "verify": "Read every record back, and look at the indexes.",
}
