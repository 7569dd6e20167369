"""Evidence on the command line: what the stored records say about open questions, where the server can be reached."""

from dataclasses import replace
from pathlib import Path

from redis_models.client import run
from redis_models.errors import RedisModelsError
from redis_models.migrations.evidence import evidence_for
from redis_models.migrations.questions import Question
from redis_models.migrations.sampling import sample
from redis_models.store import Store

from .context import CliContext
from .making import Task

__all__ = ["with_evidence"]

_RECORDS = 5_000
_TIMEOUT_S = 2.0  # of each exchange: a question is worth no long wait


def with_evidence(context: CliContext, task: Task) -> Task:
    """Add to each question what the records say about it; nothing where the server cannot be reached."""
    url = context.settings.redis_url
    kind, _, folder = url.partition(":")
    if kind == "embedded" and not (folder and Path(folder).is_dir()):
        return task  # it would be made by a command that needs no server
    with Store("questions", url=url, timeout_s=_TIMEOUT_S) as store:
        try:
            questions = tuple(_told(store, task, one) for one in task.found.questions)
        except RedisModelsError:
            return task
    return replace(task, found=replace(task.found, questions=questions))


def _told(store: Store, task: Task, question: Question) -> Question:
    old = task.old.by_name.get(question.model)
    if old is None:  # under the name that the model has now
        renamed = [one for one in task.old.models if one.name not in task.place.code.by_name]
        old = renamed[0] if len(renamed) == 1 else None
    if old is None:
        return question
    return replace(question, evidence=evidence_for(question, old, run(store.sync_client, sample(old.keys, _RECORDS))))
