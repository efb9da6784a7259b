"""A collector of traces on loopback, which takes them as OTLP/HTTP has it, or does what a test tells it to."""

from __future__ import annotations

import json
from typing import Any

from tests.backends import Backend, Seen, Wire


async def takes(seen: Seen, wire: Wire) -> None:
    await wire.reply(200, b'{"partialSuccess":{}}', ("Content-Type", "application/json"))


class Collector(Backend):
    def __init__(self) -> None:
        super().__init__(takes)

    @property
    def spans(self) -> list[dict[str, Any]]:
        """All that was sent, also what was sent again; attributes as a plain dict."""
        return [
            {**span, "attributes": plain(span["attributes"])}
            for seen in self.seen
            for resource in json.loads(seen.body)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    assert len({attribute["key"] for attribute in attributes}) == len(attributes)
    found = {}
    for attribute in attributes:
        ((kind, value),) = attribute["value"].items()
        found[attribute["key"]] = int(value) if kind == "intValue" else value
    return found
