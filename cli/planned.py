"""How a plan looks to people and to programs."""

from collections.abc import Mapping

from redis_models.migrations.passes import Work
from redis_models.migrations.planning import IN_CLIENT_RATE, IN_SERVER_RATE, Plan

__all__ = ["plan_document", "plan_lines"]


def plan_lines(plan: Plan, address: str, counts: Mapping[str, int]) -> list[str]:
    """Give a plan as lines.

    Args:
        plan: The plan.
        address: What the server is called, without a password.
        counts: Records by model, as their indexes say.
    """
    lines = [f"Plan for {address}, app {plan.app}: {_headline(plan)}"]
    for link in plan.applied:
        lines.append(f"  {link.name}  {link.id}")
        lines += [f"    {_sign(one.is_destructive)} {one.describe()}" for one in link.operations]
    for link in plan.unapplied:
        lines.append(f"  take back {link.name}  {link.id}")
        lines += [f"    < {one.describe()}" for one in reversed(link.operations)]
    for work in plan.works:
        count = counts.get(work.route.model, 0)
        where = "in the server" if work.is_in_server else "by Python, under compare-and-set"
        lines.append(
            f"  pass over {work.route.model} to version {work.target}: about {count:,} records, {where},"
            f" {_duration(work, count)}"
        )
    if plan.destructive:
        lines.append(
            "  ! removes what the application can see; the values stay in the records, aside, for the way back"
        )
    return lines


def plan_document(plan: Plan, counts: Mapping[str, int]) -> dict[str, object]:
    """Give a plan as JSON-like data."""
    return {
        "app": plan.app,
        "from": plan.start,
        "to": plan.target,
        "resumes": plan.is_resumed,
        "apply": [{"id": link.id, "name": link.name} for link in plan.applied],
        "unapply": [{"id": link.id, "name": link.name} for link in plan.unapplied],
        "destructive": list(plan.destructive),
        "passes": [
            {
                "model": work.route.model,
                "to_version": work.target,
                "records": counts.get(work.route.model, 0),
                "in_server": work.is_in_server,
            }
            for work in plan.works
        ],
    }


def _headline(plan: Plan) -> str:
    if plan.is_empty:
        return "nothing to do"
    verb = "take back" if plan.unapplied else "apply"
    migrations = _counted(len(plan.applied) + len(plan.unapplied), "migration", "migrations")
    resumed = ", resuming a run that stopped" if plan.is_resumed else ""
    return f"{verb} {migrations}, {_counted(len(plan.works), 'pass', 'passes')}{resumed}"


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _duration(work: Work, count: int) -> str:
    seconds = count / (IN_SERVER_RATE if work.is_in_server else IN_CLIENT_RATE)
    return "under a second" if seconds < 1 else f"about {seconds:.0f} s"


def _sign(is_destructive: bool) -> str:
    return "-" if is_destructive else "+"
