"""Plain English: words and phrases that no page, message, docstring or comment has. See "Words" in CONTRIBUTING.md.

Names in tests are split into words (``_await_told``: await, told), and have no word of the old vocabulary.

``python tests/repository/test_words.py [FOLDER...]`` lists where such words are.
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
    "tests",
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
# Words that no name in tests has. Names of modules have more such words: see test_layout.py.
_OLD_NAMES: Final = frozenset(
    [
        "aside", "crew", "crews", "deed", "deeds", "desk", "errand", "folding", "halfway", "handover", "hiding",
        "hooked", "images", "intake", "journey", "journeys", "leg", "legs", "mended", "nobody", "nobodys",
        "oldtable", "portion", "portions", "rehearsed", "rehearsing", "retyping", "rights", "seedkeys",
        "shelves", "sighting", "sightings", "somebody", "somebodys", "soundness", "stage", "stages", "stride",
        "told", "towrite", "trial", "typechange", "untold", "walk", "walked", "walks", "whoever", "witness",
        "witnesses",
    ]
)  # fmt: skip
_NO_NOUNS: Final = frozenset(["one", "some"])  # no variable or argument is called like this
_PATTERN: Final = re.compile("|".join(f"(?:{word})" for word in _WORDS), re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_IDENTIFIER: Final = re.compile(r"[\w.:{}*-]*")  # a name of what is stored, or of JSON, keeps its spelling
_CODE: Final = re.compile(r"^```.*?^```|``[^`\n]*``|`[^`\n]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


def found(*folders: str) -> Iterator[str]:
    """Give each place: file, line, and the words."""
    for folder in folders or _PRODUCT:
        for path in _files(_TOP / folder):
            for line, text in _prose(path):
                for match in _PATTERN.finditer(_CODE.sub(_blank, text)):
                    place = line + text[: match.start()].count("\n")
                    yield f"{path.relative_to(_TOP)}:{place}: {match[0]}"


def found_names(folder: str) -> Iterator[str]:
    """Give each name with an old word: file, line, and the name."""
    for path in _files(_TOP / folder):
        if path.suffix == ".py":
            for line, name, is_variable in _names(ast.parse(path.read_text("utf-8"))):
                words = {word.lower() for word in _WORD.findall(name)}
                if words & _OLD_NAMES or (is_variable and name in _NO_NOUNS):
                    yield f"{path.relative_to(_TOP)}:{line}: {name}"


def _files(top: Path) -> Iterator[Path]:
    for path in sorted([top] if top.is_file() else top.rglob("*")):
        is_linked = any(parent.is_symlink() for parent in path.parents)
        if path.is_file() and not is_linked and path != Path(__file__).resolve():
            yield path


def _names(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Give the names that a module defines, and whether each is of an argument or a variable."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name, False
            case ast.arg():
                yield node.lineno, node.arg, True
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id, True
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr, False
            case _:
                pass


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


def test_no_name_in_tests_has_a_word_of_the_old_vocabulary() -> None:
    assert list(found_names("tests")) == []


if __name__ == "__main__":
    print(*found(*sys.argv[1:]), *found_names("tests"), sep="\n")
