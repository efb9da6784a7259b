"""Rules on ``discriminator``: the member that names the alternative, and which alternative a value of it names.

Validation does not look at it, readers and generated code do. Mapping entries that only repeat what is implied (a
definition under its own name) say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.compat.claims import Said, request, response, rule
from policies.findings import Severity

_PET = "oneOf: [{type: object, required: [kind], properties: {kind: {const: cat}}}, {type: string}]"
_BY_KIND = f"{_PET}\ndiscriminator: {{propertyName: kind%s}}"
_PLAIN = _BY_KIND % ""
_MAPPED = _BY_KIND % ", mapping: {tom: Cat}"
_ELSEWHERE = _BY_KIND % ", mapping: {tom: Dog}"


@dataclass(frozen=True, slots=True)
class DiscriminatorPair:
    """The discriminator of one schema in both documents, read by `reading`; `targets_*` name the alternatives that
    each document offers, where the schema is a union of named ones."""

    name: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    targets_old: frozenset[str] = frozenset()
    targets_new: frozenset[str] = frozenset()

    def is_told(self, target: str) -> bool:
        """The alternative itself came or went, and that has been said."""
        return (target in self.targets_old) != (target in self.targets_new)


def reading(raw: Any) -> dict[str, Any]:
    """``{"propertyName", "mapping"}`` with targets by the name of their definition; implied entries are left out."""
    if not isinstance(raw, Mapping):
        return {}
    mapping = raw.get("mapping")
    targets = {
        str(value): str(target).rsplit("/", 1)[-1]
        for value, target in (mapping.items() if isinstance(mapping, Mapping) else ())
    }
    return {
        "propertyName": raw.get("propertyName"),
        "mapping": {value: target for value, target in targets.items() if value != target},
    }


def _both(pair: DiscriminatorPair) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
    if not pair.old or not pair.new or pair.old["propertyName"] != pair.new["propertyName"]:
        return None
    return pair.old["mapping"], pair.new["mapping"]


@rule(
    "discriminator",
    area="discriminator",
    action="changed",
    breaks=[
        request(_PLAIN, _PLAIN.replace("propertyName: kind", "propertyName: type")),
        response(_PLAIN, _PLAIN.replace("propertyName: kind", "propertyName: type")),
    ],
    safe=[request(_PLAIN, _BY_KIND % ", mapping: {Cat: '#/components/schemas/Cat'}")],
)
def discriminator_property_changed(pair: DiscriminatorPair) -> Iterator[Said]:
    """Another member names the alternative.

    Readers and generated code look at the old one and take the wrong form. Keep sending and reading the old member.
    """
    if pair.old and pair.new and pair.old["propertyName"] != pair.new["propertyName"]:
        before, now = pair.old["propertyName"], pair.new["propertyName"]
        yield Said(f"the form of {pair.name} was named by {before} and is now named by {now}", effect="changed")


@rule(
    "discriminator",
    area="discriminator",
    action="narrowed",
    breaks=[request(_MAPPED, _PLAIN)],
    safe=[response(_MAPPED, _PLAIN)],
)
def discriminator_value_removed(pair: DiscriminatorPair) -> Iterator[Said]:
    """A value that named an alternative names none any more.

    Senders who use it are refused or misread. Keep the value in the mapping.
    """
    if (mappings := _both(pair)) is not None:
        for value in sorted(mappings[0].keys() - mappings[1].keys()):
            if not pair.is_told(mappings[0][value]):
                yield Said(f"{value!r} no longer names a form of {pair.name}", effect="narrowed")


@rule(
    "discriminator",
    area="discriminator",
    action="widened",
    breaks=[response(_PLAIN, _MAPPED)],
    safe=[request(_PLAIN, _MAPPED)],
)
def discriminator_value_added(pair: DiscriminatorPair) -> Iterator[Said]:
    """A value that names an alternative may come that readers were never told of.

    They do not know which form it announces. Keep sending the values they know.
    """
    if (mappings := _both(pair)) is not None:
        for value in sorted(mappings[1].keys() - mappings[0].keys()):
            if not pair.is_told(mappings[1][value]):
                yield Said(f"{value!r} now names a form of {pair.name}", effect="widened")


@rule(
    "discriminator",
    area="discriminator",
    action="retargeted",
    breaks=[request(_MAPPED, _ELSEWHERE), response(_MAPPED, _ELSEWHERE)],
)
def discriminator_value_retargeted(pair: DiscriminatorPair) -> Iterator[Said]:
    """A value names another alternative than before.

    Whoever sends or reads it means the old form. Choose a new value for the new form.
    """
    if (mappings := _both(pair)) is not None:
        for value in sorted(mappings[0].keys() & mappings[1].keys()):
            before, now = mappings[0][value], mappings[1][value]
            if before != now:
                yield Said(f"{value!r} named {before} in {pair.name} and now names {now}", effect="changed")


@rule(
    "discriminator",
    severity=Severity.WARNING,
    area="discriminator",
    action="removed",
    breaks=[response(_PLAIN, _PET)],
    safe=[response(_PET, _PLAIN)],
)
def discriminator_removed(pair: DiscriminatorPair) -> Iterator[Said]:
    """No member is promised any more to name the alternative.

    Generated readers chose the form by it. Keep declaring it.
    """
    if pair.old and not pair.new:
        yield Said(f"{pair.old['propertyName']} no longer names the form of {pair.name}", effect="widened")


@rule(
    "discriminator",
    severity=Severity.INFO,
    area="discriminator",
    action="added",
    tells=[response(_PET, _PLAIN)],
)
def discriminator_added(pair: DiscriminatorPair) -> Iterator[Said]:
    """A member now names the alternative. Whoever told the forms apart by other means goes on doing so."""
    if pair.new and not pair.old:
        yield Said(f"{pair.new['propertyName']} now names the form of {pair.name}")
