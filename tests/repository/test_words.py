"""Plain English: words and phrases that no page, message, docstring or comment has. See "Words" in CONTRIBUTING.md.

``python tests/repository/test_words.py [FOLDER...]`` lists where they stand.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_TOP: Final = Path(__file__).resolve().parents[2]
_PRODUCT: Final = (
    "redis_models",
    "migrations",
    "cli",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
)
# What is wrong, and what to write.
_WORDS: Final = {
    r"(?<!there )\b(?:is|are|was|were) no\b(?! longer)": "is not, does not",
    r"\bsomebody\b|\bsomeone\b": "another client, a user, the caller",
    r"\bnobody\b": "no client, no user; or say it in the passive voice",
    r"\bwhoever\b": "who, the caller, each client that",
    r"\bbears?\b|\bbearing\b": "has, allows",
    r"\b(?:kept|keep|keeps|keeping|put|puts|lies|lie|set) aside\b|\baside\b": "as undo fields",
    r"\blife[ -]spans?\b": "TTL",
    r"\bthe seed(?:'s)?\b": "pydantic-aioredis",
    r"\bcrews?\b": "worker pool",
    r"\bhands\b": "strategy",
    r"\bshel(?:f|ves)\b": "state store",
    r"\blegs?\b": "segment",
    r"\bwitness(?:es)?\b": "marker",
    r"\bby and by\b": "later",
    r"\bhalf-way\b": "before it was complete; stopped",
}
_PATTERN: Final = re.compile("|".join(f"(?:{word})" for word in _WORDS), re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"[\w.:{}*-]*")  # a name of what is stored, or of JSON, keeps its spelling
_CODE: Final = re.compile(r"^```.*?^```|``[^`\n]*``|`[^`\n]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


def found(*folders: str) -> Iterator[str]:
    """Give each place: file, line, and the words."""
    for folder in folders or _PRODUCT:
        top = _TOP / folder
        for path in sorted([top] if top.is_file() else top.rglob("*")):
            if path.is_file() and not any(parent.is_symlink() for parent in path.parents):
                for line, text in _prose(path):
                    for match in _PATTERN.finditer(_CODE.sub(_blank, text)):
                        place = line + text[: match.start()].count("\n")
                        yield f"{path.relative_to(_TOP)}:{place}: {match[0]}"


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    match path.suffix:
        case ".md" | ".j2":
            yield 1, path.read_text("utf-8")
        case ".lua":
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                yield number, line.partition("--")[2]
        case ".py":
            yield from _of_python(path.read_text("utf-8"))
        case _:
            pass


def _of_python(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not _IDENTIFIER.fullmatch(node.value):
            yield node.lineno, node.value


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


@pytest.mark.parametrize("folder", [folder for folder in _PRODUCT if (_TOP / folder).exists()])
def test_no_text_has_words_of_the_old_vocabulary(folder: str) -> None:
    assert list(found(folder)) == []


if __name__ == "__main__":
    print(*found(*sys.argv[1:]), sep="\n")
