"""What may be compiled. Whether it behaves the same is asked by the gateway's tests, run on it: `make check-native`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gateway.native import ROOT, modules

SOURCES = [ROOT / name for name in modules(ROOT)]
OTHERS = [
    path for folder in ("gateway", "policies") for path in sorted((ROOT / folder).rglob("*.py")) if path not in SOURCES
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_compiled_module_loses_nothing(path: Path) -> None:
    """The compiler drops the keywords of a class that is no plain one, without a word; being frozen and being left
    alone by the collector are the two that may be lost."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            assert {keyword.arg for keyword in node.keywords} <= {"frozen", "gc"}, f"{path.name}:{node.lineno}"


def test_what_is_compiled_has_no_interpreted_heirs() -> None:
    """They would be refused when the first of them is made: the compiled copy would not start. Protocols never are."""
    compiled = {
        (_module(path), node.name)
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    heirs = []
    for path in OTHERS:
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        heirs += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and "Protocol" not in {ast.unparse(base) for base in node.bases}
            for base in node.bases
            if isinstance(base, ast.Name) and imported.get(base.id) in compiled
        ]
    assert heirs == []


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)
