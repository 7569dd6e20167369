"""Work: what a pass has to do. Pure."""

from dataclasses import dataclass

from redis_models.keys import KeySpace

from .route import Route

__all__ = ["Work"]


@dataclass(frozen=True)
class Work:
    """What a pass has to do.

    Attributes:
        route: The way of the model's records.
        keys: Where they lie.
        target: Version to reach.
        source: Version that most records are expected to have.
    """

    route: Route
    keys: KeySpace
    target: int
    source: int

    @property
    def label(self) -> str:
        """What the pass is called: a model may have records in several places."""
        return f"{self.route.model} at {self.keys.start}*"

    @property
    def is_in_server(self) -> bool:
        """Whether the server does most records by itself: each step up is static."""
        return self.source < self.target and self.route.is_static(self.source, self.target)
