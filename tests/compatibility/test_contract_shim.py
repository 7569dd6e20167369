"""Code that was written for pydantic-aioredis runs on this library through a thin package of the old names."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import redis_models

_SHIM = Path(__file__).resolve().parent / "shim"
_END_S = 60.0  # of a script on a busy machine


def test_an_old_application_runs_unchanged(server: Any) -> None:
    pytest.importorskip("fastapi")
    paths = [str(_SHIM), str(Path(redis_models.__file__).parents[1])]

    done = subprocess.run(
        [sys.executable, "-W", "error", str(_SHIM / "old_application.py"), server.socket_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_END_S,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "done\n")


def test_nothing_of_the_old_patch_of_event_loops_is_left() -> None:
    places = [_SHIM, *(Path(redis_models.__file__).parent / name for name in ("", "migrations", "cli", "ext"))]
    texts = [path.read_text("utf-8") for place in places for path in place.rglob("*.py")]

    assert len(texts) > 50
    assert not [text for text in texts if "NestedAsyncIO" in text or "nest_asyncio" in text]


def test_the_shim_is_thin() -> None:
    lines = [line for path in (_SHIM / "pydantic_aioredis").rglob("*.py") for line in path.read_text().splitlines()]

    assert len(lines) < 120
