"""Files of a project in a temporary directory, and an interpreter that forgets them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redis_models.project.settings import ENVIRONMENT_VARIABLE

Write = Callable[[dict[str, str]], Path]


@pytest.fixture(autouse=True)
def untouched_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith("redis_models"):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the files of a project and stand in its directory."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return write
