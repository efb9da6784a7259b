"""How the document of an application is written."""

from __future__ import annotations

import json

import yaml

from weighbridge.commands.consuming import Syntax, _written

SHARED = {"type": "string"}
TREE = {
    "openapi": "3.1.0",
    "info": {"title": "Größe", "description": "One line.\n\nAnother.\n", "version": "1.0"},
    "paths": {
        "/a": {"get": {"a": SHARED, "b": SHARED, "c": ["no", "2027-01-15", "012", "", "x: y", "trailing \nspace"]}}
    },
}


def test_it_reads_back_as_it_was() -> None:
    assert json.loads(_written(TREE, Syntax.JSON)) == TREE
    assert yaml.safe_load(_written(TREE, Syntax.YAML)) == TREE


def test_people_can_read_it() -> None:
    text = _written(TREE, Syntax.YAML)
    assert text.startswith("openapi: 3.1.0\ninfo:\n  title: Größe\n  description: |\n    One line.\n\n    Another.\n")
    assert "&" not in text, "no anchors"
    assert _written(TREE, Syntax.JSON).startswith('{\n  "openapi": "3.1.0",\n')
