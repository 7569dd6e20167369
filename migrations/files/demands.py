"""Demands: what is noted of a model in ``constraints.json``. Pure, but it reads sources of functions."""

from redis_models.model import Model

from ..constraints.history import DEFAULT, STORED_AS
from ..schema.from_models import snapshot_of
from ..schema.snapshot import Snapshot
from .acceptance import Acceptance, acceptance_of

__all__ = ["demands_of"]


def demands_of(model: type[Model], reached: Snapshot) -> Acceptance:
    """Give what a model demands of what it reads, and of each field what the migrations do not tell.

    Args:
        model: The class.
        reached: The schemas that the migrations lead to.
    """
    found = {path: dict(rules) for path, rules in acceptance_of(model).items()}
    known = reached.by_name.get(model.__name__)
    for field in snapshot_of([model]).model(model.__name__).fields:
        if not model.model_fields[field.name].is_required():
            found.setdefault(field.name, {})[DEFAULT] = "yes"
        before = None if known is None else known.by_name.get(field.name)
        if before is not None and before.type != field.type:  # an enum got a member, for one
            found.setdefault(field.name, {})[STORED_AS] = field.type
    return {path: dict(sorted(rules.items())) for path, rules in sorted(found.items())}
