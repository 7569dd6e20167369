"""The plan of a run: as lines of text, and as JSON-like data."""

from collections.abc import Callable, Mapping, Sequence

from redis_models.migrations.operations import Operation, Risk, Run
from redis_models.migrations.operations.run import function_name
from redis_models.migrations.planner.passes import RewritePass
from redis_models.migrations.planner.plan import IN_CLIENT_RATE, IN_SERVER_RATE, Plan
from redis_models.migrations.planner.segments import RunPlan, step_of
from redis_models.redaction import counted

__all__ = ["plan_document", "plan_lines"]


def plan_lines(run_plan: RunPlan, address: str, counts: Mapping[str, int], *, is_full: bool = False) -> list[str]:
    """Describe a run in lines of text.

    Args:
        run_plan: The run.
        address: Of the server, without a password.
        counts: Records by pass, as the indexes say.
        is_full: Say how each operation is taken back, too.
    """
    lines = [f"Plan for {address}, app {run_plan.app}: {_headline(run_plan)}"]
    for number, segment in enumerate(run_plan.segments, 1):
        if len(run_plan.segments) > 1:
            lines.append(f"  segment {number} of {len(run_plan.segments)}, recorded when it is complete")
        lines += _segment_lines(segment, counts, is_full)
    if run_plan.destructive:
        lines.append("  ! fields disappear for the application; their values stay in the records as undo fields")
    return lines


def plan_document(run_plan: RunPlan, counts: Mapping[str, int], objections: Sequence[str]) -> dict[str, object]:
    """Describe a run as JSON-like data."""
    return {
        "app": run_plan.app,
        "from": run_plan.start,
        "to": run_plan.target,
        "resumes": run_plan.is_resumed,
        "apply": [{"id": migration.id, "name": migration.name} for migration in run_plan.applied],
        "unapply": [{"id": migration.id, "name": migration.name} for migration in run_plan.unapplied],
        "destructive": list(run_plan.destructive),
        "passes": [_pass_document(rewrite_pass, counts) for rewrite_pass in run_plan.passes],
        "legs": [_segment_document(segment, counts) for segment in run_plan.segments],
        "objections": list(objections),
    }


def _segment_document(segment: Plan, counts: Mapping[str, int]) -> dict[str, object]:
    step = step_of(segment)
    return {
        "from": segment.start,
        "to": segment.target,
        "calls": None if step is None else function_name(_called(segment, step)),
        "passes": [_pass_document(rewrite_pass, counts) for rewrite_pass in segment.passes],
        "moves": [{"from": move.keys.start, "to": move.after.keys.start} for move in segment.moves],
    }


def _pass_document(rewrite_pass: RewritePass, counts: Mapping[str, int]) -> dict[str, object]:
    return {
        "model": rewrite_pass.path.model,
        "to_version": rewrite_pass.target,
        "records": counts.get(rewrite_pass.label, 0),
        "in_server": rewrite_pass.is_in_server,
    }


def _segment_lines(segment: Plan, counts: Mapping[str, int], is_full: bool) -> list[str]:
    lines: list[str] = []
    for migration in segment.applied:
        lines.append(f"  {migration.name}  {migration.id}")
        for operation in migration.operations:
            lines += _operation_lines(_sign(operation.is_destructive), operation, is_full)
    for migration in segment.unapplied:
        lines.append(f"  take back {migration.name}  {migration.id}")
        for operation in reversed(migration.operations):
            lines += _operation_lines("<", operation, is_full)
    step = step_of(segment)
    if step is not None:
        lines.append(f"  calls {function_name(_called(segment, step))} once; {_repetition(step)}")
    lines += [_pass_line(rewrite_pass, counts.get(rewrite_pass.label, 0), segment) for rewrite_pass in segment.passes]
    lines += [f"  rename keys {move.label}; other code does not find a record while it moves" for move in segment.moves]
    return lines


def _operation_lines(sign: str, operation: Operation, is_full: bool) -> list[str]:
    line = f"    {sign} {operation.describe()}"
    if not is_full:
        return [line]
    risk = "" if operation.risk is Risk.NONE else f"  ({operation.risk})"
    return [line + risk, f"        back: {operation.describe_reverse()}"]


def _called(segment: Plan, step: Run) -> Callable[..., object]:
    return step.function if segment.applied or step.back is None else step.back


def _repetition(step: Run) -> str:
    return "it may run twice" if step.may_run_twice else "if it is interrupted, --run-again is needed to call it again"


def _pass_line(rewrite_pass: RewritePass, count: int, segment: Plan) -> str:
    where = "in the server" if rewrite_pass.is_in_server else "in Python, with compare-and-set"
    is_alone = sum(other.path is rewrite_pass.path for other in segment.passes) == 1
    name = rewrite_pass.path.model if is_alone else rewrite_pass.label
    records = f"about {counted(count, 'record')}"
    return f"  pass over {name} to version {rewrite_pass.target}: {records}, {where}, {_duration(rewrite_pass, count)}"


def _headline(run_plan: RunPlan) -> str:
    if run_plan.is_empty:
        return "nothing to do"
    verb = "take back" if run_plan.unapplied else "apply"
    migrations = f"{verb} {counted(len(run_plan.applied) + len(run_plan.unapplied), 'migration')}"
    if not run_plan.applied and not run_plan.unapplied:
        migrations = "bring records to the current version"
    resumed = ", resuming an unfinished run" if run_plan.is_resumed else ""
    passes = sum(len(segment.passes) + len(segment.moves) for segment in run_plan.segments)
    return f"{migrations}, {counted(passes, 'pass', 'passes')}{resumed}"


def _duration(rewrite_pass: RewritePass, count: int) -> str:
    seconds = count / (IN_SERVER_RATE if rewrite_pass.is_in_server else IN_CLIENT_RATE)
    return "under a second" if seconds < 1 else f"about {seconds:.0f} s"


def _sign(is_destructive: bool) -> str:
    return "-" if is_destructive else "+"
