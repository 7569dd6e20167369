"""Evidence for questions: what the stored records say, if the server can be reached."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from redis_models.client.drivers import run
from redis_models.errors import RedisModelsError
from redis_models.migrations.autodetector.evidence import as_stored, evidence_for
from redis_models.migrations.autodetector.questions import Question
from redis_models.migrations.files.makemigrations import Task
from redis_models.migrations.keyspace.sampling import sample
from redis_models.migrations.keyspace.server_facts import refuse_cluster
from redis_models.store import Store

from ..console.context import CliContext

__all__ = ["asked_store", "with_evidence"]

_RECORDS = 5_000
_TIMEOUT_S = 2.0  # of each exchange: do not delay a question for longer


@contextmanager
def asked_store(context: CliContext) -> Generator[Store | None]:
    """Give a store with a short timeout; None if there is no server to ask."""
    url = context.settings.redis_url
    kind, _, folder = url.partition(":")
    if kind == "embedded" and not (folder and Path(folder).is_dir()):
        yield None  # do not create it for a command that needs no server
        return
    with Store("questions", url=url, timeout_s=_TIMEOUT_S) as store:
        try:
            run(store.sync_client, refuse_cluster(store.address))  # of which only a part of the records would be seen
        except RedisModelsError:
            yield None
            return
        yield store


def with_evidence(context: CliContext, task: Task) -> Task:
    """Add to each question what the records say about it, if the server can be reached."""
    with asked_store(context) as store:
        if store is None:
            return task
        try:
            questions = tuple(_with_evidence(store, task, question) for question in task.found.questions)
        except RedisModelsError:
            return task
    return replace(task, found=replace(task.found, questions=questions))


def _with_evidence(store: Store, task: Task, question: Question) -> Question:
    stored = as_stored(question, task.found.operations, task.answers)
    schema = task.old.by_name.get(stored.model)
    if schema is None:
        return question
    found = evidence_for(stored, schema, run(store.sync_client, sample(schema.keys, _RECORDS)))
    return replace(question, evidence=found)
