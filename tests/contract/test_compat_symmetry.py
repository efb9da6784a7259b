"""The symmetry audit: for every change a rule names, some rule names the opposite change, or a reason is written."""

from __future__ import annotations

from collections import defaultdict

from policies import catalog
from policies.compat.claims import mirrorless

OPPOSITE = {
    "added": "removed",
    "removed": "added",
    "narrowed": "widened",
    "widened": "narrowed",
    "required": "optional",
    "optional": "required",
    "scoped": "loosened",
    "loosened": "scoped",
}
OWN_MIRROR = {"changed", "renamed", "rewritten", "retargeted", "deprecated", "sunset"}
"""The change in the other direction is the same change."""


def _unmirrored() -> set[str]:
    entries = catalog.entries("compat")
    spoken: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in entries:
        covers = {"request", "response"} if entry.taxonomy["direction"] == "both" else {entry.taxonomy["direction"]}
        spoken[entry.taxonomy["area"], entry.taxonomy["action"]] |= covers
    missing = set()
    for entry in entries:
        action, direction = entry.taxonomy["action"], entry.taxonomy["direction"]
        if action in OWN_MIRROR:
            continue
        wanted = {"request", "response"} if direction == "both" else {direction}
        if not wanted <= spoken[entry.taxonomy["area"], OPPOSITE.get(action, "")]:
            missing.add(entry.id)
    return missing


def test_every_rule_has_its_mirror_or_says_why_not() -> None:
    assert _unmirrored() == set(mirrorless())


def test_a_reason_is_a_sentence() -> None:
    assert {id_: reason for id_, reason in mirrorless().items() if len(reason) < 20} == {}


def test_every_area_of_a_document_has_rules() -> None:
    areas = {entry.taxonomy["area"] for entry in catalog.entries("compat")}
    assert areas >= set(
        "body count default deprecation discriminator enum format header length link media-type null object operation "
        "parameter pattern property range security servers status step type union visibility".split()
    )
