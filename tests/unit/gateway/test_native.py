"""What may be compiled. Whether it behaves the same is asked by the gateway's tests, run on it: `make check-native`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gateway.native import INTERPRETED, MODULES, ROOT

SOURCES = [
    *(ROOT / name for name in MODULES),
    *(path for path in sorted((ROOT / "policies/traffic").glob("*.py")) if path.stem not in INTERPRETED),
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_compiled_module_loses_nothing(path: Path) -> None:
    """The compiler drops the keywords of a class that is no plain one, without a word; being frozen and being left
    alone by the collector are the two that may be lost."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            assert {keyword.arg for keyword in node.keywords} <= {"frozen", "gc"}, f"{path.name}:{node.lineno}"
