"""Say on every reply which version served and how long it will: the fixed header lines of one version.

``API-Version`` always; ``Deprecation`` (RFC 9745, a structured-field date), ``Sunset`` (RFC 8594, an HTTP-date) and
their ``Link``s once a version is deprecated. Errors carry them too: a caller that only ever fails must hear of it.
"""

from __future__ import annotations

from email.utils import formatdate

from policies.model.contract import Stage
from policies.traffic import Decision, Exchange, Phase, Policy, RouteFacts, policy


class AnnounceLifecycle:
    __slots__ = ("_fields",)
    phase = Phase.ANNOUNCE

    def __init__(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        self._fields = fields

    def decide(self, exchange: Exchange) -> Decision:
        exchange.reply_headers.extend(self._fields)
        return None


def fields_of(facts: RouteFacts) -> tuple[tuple[bytes, bytes], ...]:
    """The header lines of one version, ready to send."""
    version = facts.version
    fields = [("API-Version", version.number)]
    if version.stage in (Stage.DEPRECATED, Stage.RETIRED):
        if version.deprecated_at is not None:
            fields.append(("Deprecation", f"@{version.deprecated_at}"))
        if version.sunset_at is not None:
            fields.append(("Sunset", formatdate(version.sunset_at, usegmt=True)))
        links = []
        if facts.successor is not None:
            links.append(f'</{facts.contract.name}/v{facts.successor}>; rel="successor-version"')
        page = next((contact.url for contact in facts.contract.contacts if contact.url is not None), None)
        if page is not None:
            if version.deprecated_at is not None:
                links.append(f'<{page}>; rel="deprecation"; type="text/html"')
            if version.sunset_at is not None:
                links.append(f'<{page}>; rel="sunset"; type="text/html"')
        if links:
            fields.append(("Link", ", ".join(links)))
    return tuple((name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in fields)


@policy
def announce_lifecycle(facts: RouteFacts) -> Policy | None:
    """Tells every caller which version answered, and of a deprecated one since when, until when, and what replaces it.

    Alert on ``Deprecation`` and ``Sunset`` in your client: they are the notice period made machine-readable.
    """
    return AnnounceLifecycle(fields_of(facts))
