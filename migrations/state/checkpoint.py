"""Checkpoints: a place in a scan of the database, at which a later process may resume. Pure.

The journal of a run has one, and so has an unfinished verification; each stores it under its own field names. ``adopt``
has none: each of its steps finds what is left to do, so that it only checks that the server was not restarted during a
scan.
"""

from dataclasses import dataclass

__all__ = ["Checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """A place in a scan: everything before it is done.

    Attributes:
        label: What is scanned, such as a pass or a model; "" before the first.
        cursor: Of SCAN; "0" at the start, and after the end.
        run_id: ``run_id`` of the server that gave the cursor; "" if the user may not ask for it.
    """

    label: str
    cursor: str
    run_id: str

    def is_valid_on(self, run_id: str) -> bool:
        """Whether the cursor may be used on this run of a server: after a restart it would skip keys."""
        return bool(run_id) and self.run_id == run_id

    def is_at(self, label: str, run_id: str) -> bool:
        """Whether the scan of ``label`` may resume here, on this run of a server."""
        return self.label == label and self.is_valid_on(run_id)
