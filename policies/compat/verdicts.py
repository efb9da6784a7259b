"""What the prover says in its own name, where no rule has a name for the change.

These functions are never called: they carry the text, the severity and the examples of findings that `values` makes
when containment answers *no* or nothing at all. Their existence is what keeps a silence from being green.
"""

from __future__ import annotations

from collections.abc import Iterator

from policies.compat.claims import Said, request, response, rule
from policies.findings import Severity


@rule(
    "verdict",
    severity=Severity.ERROR,
    direction="request",
    area="value",
    action="narrowed",
    no_mirror="what a request gains is told by schema-rewritten",
    breaks=[request("not: {type: string}", "not: {type: [string, boolean]}")],
    safe=[request("not: {type: [string, boolean]}", "not: {type: string}")],
)
def request_narrowed(pair: object) -> Iterator[Said]:
    """Something that could be sent is refused now, and no other rule has a name for the change.

    Found by proof, not by comparing keywords: the finding carries what was lost. Accept it again, or publish a new
    major.
    """
    return iter(())


@rule(
    "verdict",
    severity=Severity.ERROR,
    direction="response",
    area="value",
    action="widened",
    no_mirror="what a response no longer holds is told by schema-rewritten",
    breaks=[response("not: {type: [string, boolean]}", "not: {type: string}")],
    safe=[response("not: {type: string}", "not: {type: [string, boolean]}")],
)
def response_widened(pair: object) -> Iterator[Said]:
    """Something may now be sent that readers were never told of, and no other rule has a name for the change.

    Found by proof, not by comparing keywords: the finding carries what is new. Keep the promise, or publish a new
    major.
    """
    return iter(())


@rule(
    "verdict",
    severity=Severity.INFO,
    area="value",
    action="changed",
    tells=[request("not: {type: [string, boolean]}", "not: {type: string}")],
)
def schema_rewritten(pair: object) -> Iterator[Said]:
    """A schema is written differently, and proof shows that nobody is hurt."""
    return iter(())


@rule(
    "verdict",
    severity=Severity.WARNING,
    area="value",
    action="changed",
    tells=[
        request("{type: string, pattern: '^(?=.*[0-9]).+$'}", "{type: string, pattern: '^(?=.*[0-9]).{3,}$'}"),
    ],
)
def unproven(pair: object) -> Iterator[Said]:
    """Something changed that could be proved neither harmless nor harmful.

    Not green: look at the change, and either write it so that it can be proved (an enum, a length, a pattern left as
    it was), or accept it by a waiver with a reason.
    """
    return iter(())
