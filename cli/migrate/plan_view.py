"""How a plan looks to people and to programs."""

from collections.abc import Callable, Mapping, Sequence

from redis_models.migrations.operations import Operation, Risk, Run
from redis_models.migrations.operations.run import function_name
from redis_models.migrations.planner.passes import RewritePass
from redis_models.migrations.planner.plan import IN_CLIENT_RATE, IN_SERVER_RATE, Plan
from redis_models.migrations.planner.segments import RunPlan, step_of

from ..console.formatting import counted

__all__ = ["journey_document", "journey_lines"]


def journey_lines(journey: RunPlan, address: str, counts: Mapping[str, int], *, is_full: bool = False) -> list[str]:
    """Give what a run would do as lines.

    Args:
        journey: What it would do.
        address: What the server is called, without a password.
        counts: Records by model, as their indexes say.
        is_full: Tell of every operation how it is taken back, too.
    """
    lines = [f"Plan for {address}, app {journey.app}: {_headline(journey)}"]
    for number, leg in enumerate(journey.segments, 1):
        if len(journey.segments) > 1:
            lines.append(f"  leg {number} of {len(journey.segments)}, recorded when it is done")
        lines += _leg_lines(leg, counts, is_full)
    if journey.destructive:
        lines.append(
            "  ! removes what the application can see; the values stay in the records, aside, for the way back"
        )
    return lines


def journey_document(journey: RunPlan, counts: Mapping[str, int], objections: Sequence[str]) -> dict[str, object]:
    """Give what a run would do as JSON-like data."""
    return {
        "app": journey.app,
        "from": journey.start,
        "to": journey.target,
        "resumes": journey.is_resumed,
        "apply": [{"id": link.id, "name": link.name} for link in journey.applied],
        "unapply": [{"id": link.id, "name": link.name} for link in journey.unapplied],
        "destructive": list(journey.destructive),
        "passes": [_pass_document(work, counts) for work in journey.works],
        "legs": [_leg_document(leg, counts) for leg in journey.segments],
        "objections": list(objections),
    }


def _leg_document(leg: Plan, counts: Mapping[str, int]) -> dict[str, object]:
    step = step_of(leg)
    return {
        "from": leg.start,
        "to": leg.target,
        "calls": None if step is None else function_name(_called(leg, step)),
        "passes": [_pass_document(work, counts) for work in leg.works],
        "moves": [{"from": one.keys.start, "to": one.after.keys.start} for one in leg.moves],
    }


def _pass_document(work: RewritePass, counts: Mapping[str, int]) -> dict[str, object]:
    return {
        "model": work.route.model,
        "to_version": work.target,
        "records": counts.get(work.label, 0),
        "in_server": work.is_in_server,
    }


def _leg_lines(leg: Plan, counts: Mapping[str, int], is_full: bool) -> list[str]:
    lines: list[str] = []
    for link in leg.applied:
        lines.append(f"  {link.name}  {link.id}")
        for one in link.operations:
            lines += _operation_lines(_sign(one.is_destructive), one, is_full)
    for link in leg.unapplied:
        lines.append(f"  take back {link.name}  {link.id}")
        for one in reversed(link.operations):
            lines += _operation_lines("<", one, is_full)
    step = step_of(leg)
    if step is not None:
        lines.append(f"  calls {function_name(_called(leg, step))} once; {_repetition(step)}")
    lines += [_pass_line(work, counts.get(work.label, 0), leg) for work in leg.works]
    return lines + [f"  move {one.label}, each record whole; no other code finds it meanwhile" for one in leg.moves]


def _operation_lines(sign: str, operation: Operation, is_full: bool) -> list[str]:
    line = f"    {sign} {operation.describe()}"
    if not is_full:
        return [line]
    risk = "" if operation.risk is Risk.NONE else f"  ({operation.risk})"
    return [line + risk, f"        back: {operation.way_back()}"]


def _called(leg: Plan, step: Run) -> Callable[..., object]:
    return step.function if leg.applied or step.back is None else step.back


def _repetition(step: Run) -> str:
    return "it may run twice" if step.may_run_twice else "if it stops half-way it is not called again unasked"


def _pass_line(work: RewritePass, count: int, leg: Plan) -> str:
    where = "in the server" if work.is_in_server else "by Python, under compare-and-set"
    is_alone = sum(one.route is work.route for one in leg.works) == 1
    name = work.route.model if is_alone else work.label
    return f"  pass over {name} to version {work.target}: about {count:,} records, {where}, {_duration(work, count)}"


def _headline(journey: RunPlan) -> str:
    if journey.is_empty:
        return "nothing to do"
    verb = "take back" if journey.unapplied else "apply"
    migrations = f"{verb} {counted(len(journey.applied) + len(journey.unapplied), 'migration')}"
    if not journey.applied and not journey.unapplied:
        migrations = "bring records to where it is"
    resumed = ", resuming a run that stopped" if journey.is_resumed else ""
    passes = sum(len(leg.works) + len(leg.moves) for leg in journey.segments)
    return f"{migrations}, {counted(passes, 'pass', 'passes')}{resumed}"


def _duration(work: RewritePass, count: int) -> str:
    seconds = count / (IN_SERVER_RATE if work.is_in_server else IN_CLIENT_RATE)
    return "under a second" if seconds < 1 else f"about {seconds:.0f} s"


def _sign(is_destructive: bool) -> str:
    return "-" if is_destructive else "+"
