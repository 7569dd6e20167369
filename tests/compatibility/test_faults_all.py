"""Every fault of pydantic-aioredis has its test."""

import re
from pathlib import Path


def test_the_numbers_of_all_faults_are_in_the_names_of_tests() -> None:
    texts = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_faults_*.py")]

    numbers = {int(number) for text in texts for number in re.findall(r"def test_fault_(\d\d)_", text)}

    assert numbers == set(range(1, 52))
