"""Evidence on the command line: what the stored records say about open questions, where the server can be reached."""

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
_TIMEOUT_S = 2.0  # of each exchange: a question is worth no long wait


@contextmanager
def asked_store(context: CliContext) -> Generator[Store | None]:
    """Give a store that does not wait long for its server; None where there is none to be asked."""
    url = context.settings.redis_url
    kind, _, folder = url.partition(":")
    if kind == "embedded" and not (folder and Path(folder).is_dir()):
        yield None  # it would be made by a command that needs no server
        return
    with Store("questions", url=url, timeout_s=_TIMEOUT_S) as store:
        try:
            run(store.sync_client, refuse_cluster(store.address))  # of which only a part would be seen
        except RedisModelsError:
            yield None
            return
        yield store


def with_evidence(context: CliContext, task: Task) -> Task:
    """Add to each question what the records say about it; nothing where the server cannot be reached."""
    with asked_store(context) as store:
        if store is None:
            return task
        try:
            questions = tuple(_told(store, task, one) for one in task.found.questions)
        except RedisModelsError:
            return task
    return replace(task, found=replace(task.found, questions=questions))


def _told(store: Store, task: Task, question: Question) -> Question:
    stored = as_stored(question, task.found.operations, task.answers)
    schema = task.old.by_name.get(stored.model)
    if schema is None:
        return question
    found = evidence_for(stored, schema, run(store.sync_client, sample(schema.keys, _RECORDS)))
    return replace(question, evidence=found)
