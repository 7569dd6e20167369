"""Settings modules for tests, and what refuses them."""

from collections.abc import Callable

import pytest

from redis_models.errors import RedisModelsError
from redis_models.project.settings import Settings, load_settings

from .conftest import Write

MODEL = """
from redis_models import Field, Model

class Customer(Model):
    id: str = Field(primary_key=True)

    class Meta:
        prefix = "{prefix}"
"""


def named(module: str) -> str:
    return f'[tool.redis_models]\nsettings = "{module}"\n'


def refused(start: Callable[[], object]) -> str:
    """Run what must fail with one of our errors, and give its text, which is one line."""
    with pytest.raises(RedisModelsError) as caught:
        start()
    text = str(caught.value)
    assert "\n" not in text
    return text


def settings_with(write: Write, text: str) -> Settings:
    write({"pyproject.toml": named("s1.settings"), "s1/__init__.py": "", "s1/settings.py": text})
    return load_settings()
