"""Rules on parameters: there or not, required or not, and how they are written. Their values are for `schemas`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.compat.claims import Said, operation, rule
from policies.findings import Severity
from policies.model.document import Parameter

_NONE = "summary: no parameters"
_OPTIONAL = "parameters: [{name: site, in: query, schema: {type: string}}]"
_REQUIRED = "parameters: [{name: site, in: query, required: true, schema: {type: string}}]"
_LIST = "parameters: [{name: sku, in: query, %sschema: {type: array, items: {type: string}}}]"


@dataclass(frozen=True, slots=True)
class ParameterPair:
    """One parameter in both documents, met by place and name (path parameters by position)."""

    old: Parameter | None
    new: Parameter | None
    scalar: bool = False
    """Its value is neither a list nor an object in either document."""

    @property
    def called(self) -> str:
        parameter = self.new or self.old
        return f"{parameter.place} parameter {parameter.name}" if parameter else ""


@rule(
    "parameter",
    direction="request",
    area="parameter",
    action="removed",
    breaks=[operation(_OPTIONAL, _NONE)],
    safe=[operation(_NONE, _OPTIONAL)],
)
def parameter_removed(pair: ParameterPair) -> Iterator[Said]:
    """A parameter is gone.

    From major 2 on undeclared query parameters are refused; before, the wish they carry is ignored in silence, which
    is worse. Keep the parameter, deprecated, until the next major.
    """
    if pair.old and not pair.new:
        yield Said(f"the {pair.called} is gone", fix="keep the parameter, deprecated")


@rule(
    "parameter",
    direction="request",
    area="parameter",
    action="added",
    breaks=[operation(_NONE, _REQUIRED)],
    safe=[operation(_NONE, _OPTIONAL)],
)
def parameter_added_as_required(pair: ParameterPair) -> Iterator[Said]:
    """A parameter that nobody sends yet must be sent.

    Every existing call is refused. Make it optional and say what is assumed when it is absent.
    """
    if pair.new and not pair.old and pair.new.required:
        yield Said(f"the {pair.called} must now be sent", fix="make it optional")


@rule(
    "parameter",
    severity=Severity.INFO,
    direction="request",
    area="parameter",
    action="added",
    tells=[operation(_NONE, _OPTIONAL)],
)
def parameter_added(pair: ParameterPair) -> Iterator[Said]:
    """A parameter may now be sent.

    Callers that do not know it leave it out and are served as before. It takes a minor version.
    """
    if pair.new and not pair.old and not pair.new.required:
        yield Said(f"the {pair.called} may now be sent")


@rule(
    "parameter",
    direction="request",
    area="parameter",
    action="required",
    breaks=[operation(_OPTIONAL, _REQUIRED)],
    safe=[operation(_REQUIRED, _OPTIONAL)],
)
def parameter_became_required(pair: ParameterPair) -> Iterator[Said]:
    """A parameter that could be left out must be sent.

    Whoever rightly left it out is refused. Keep it optional and say what is assumed when it is absent.
    """
    if pair.old and pair.new and pair.new.required and not pair.old.required:
        yield Said(f"the {pair.called} was optional and must now be sent", fix="keep it optional")


@rule(
    "parameter",
    severity=Severity.INFO,
    direction="request",
    area="parameter",
    action="optional",
    tells=[operation(_REQUIRED, _OPTIONAL)],
)
def parameter_became_optional(pair: ParameterPair) -> Iterator[Said]:
    """A parameter that had to be sent may be left out.

    Whoever sends it is served as before. Say in its description what is assumed when it is absent.
    """
    if pair.old and pair.new and pair.old.required and not pair.new.required:
        yield Said(f"the {pair.called} may now be left out")


@rule(
    "parameter",
    direction="request",
    area="parameter",
    action="rewritten",
    breaks=[operation(_LIST % "", _LIST % "explode: false, "), operation(_LIST % "", _LIST % "style: pipeDelimited, ")],
    safe=[operation(_OPTIONAL, _OPTIONAL.replace("in: query", "in: query, explode: false"))],
)
def parameter_style_changed(pair: ParameterPair) -> Iterator[Said]:
    """A list or an object is written another way in the address (``a=1&a=2`` or ``a=1,2``).

    Callers still write it the old way and are misread. Keep the style, or add a parameter with the new one.
    """
    old, new = pair.old, pair.new
    if not old or not new or bool(old.payload.media_type) != bool(new.payload.media_type):
        return
    if old.style == new.style and (old.explode == new.explode or pair.scalar):
        return
    if pair.scalar and old.place != "path":
        return
    text = (
        f"the {pair.called} was written as {old.style}, explode {old.explode}, now {new.style}, explode {new.explode}"
    )
    yield Said(text.lower().replace(pair.called.lower(), pair.called), fix="keep style and explode as they were")


@rule(
    "parameter",
    direction="request",
    area="parameter",
    action="rewritten",
    breaks=[
        operation(
            _OPTIONAL,
            "parameters: [{name: site, in: query, content: {application/json: {schema: {type: string}}}}]",
        )
    ],
    safe=[operation(_OPTIONAL, _OPTIONAL)],
)
def parameter_content_changed(pair: ParameterPair) -> Iterator[Said]:
    """A parameter is serialised as another media type, or as one where it was plain text.

    Callers still send the old text. Keep it, or add a parameter.
    """
    if pair.old and pair.new and pair.old.payload.media_type != pair.new.payload.media_type:
        before, now = (p.payload.media_type or "plain text" for p in (pair.old, pair.new))
        yield Said(f"the {pair.called} was {before} and is now {now}", fix="keep the serialisation")


@rule(
    "parameter",
    direction="request",
    area="parameter",
    action="narrowed",
    no_mirror="what a parameter gains is told by parameter-announced",
    breaks=[operation(_OPTIONAL.replace("in: query", "in: query, allowEmptyValue: true"), _OPTIONAL)],
    safe=[operation(_OPTIONAL, _OPTIONAL.replace("in: query", "in: query, allowReserved: true"))],
)
def parameter_text_narrowed(pair: ParameterPair) -> Iterator[Said]:
    """A parameter may no longer be empty, or may no longer carry reserved characters as they are.

    Callers who write it so are refused or misread. Keep allowing it.
    """
    if not pair.old or not pair.new:
        return
    for key in ("allowEmptyValue", "allowReserved"):
        if pair.old.raw.get(key) is True and pair.new.raw.get(key) is not True:
            yield Said(f"the {pair.called} lost {key}", fix=f"keep {key}: true")


@rule(
    "parameter",
    severity=Severity.INFO,
    direction="request",
    area="parameter",
    action="changed",
    tells=[operation(_OPTIONAL, _OPTIONAL.replace("in: query", "in: query, deprecated: true"))],
)
def parameter_announced(pair: ParameterPair) -> Iterator[Said]:
    """A parameter was announced as deprecated (or no longer is), or may be written more freely."""
    if not pair.old or not pair.new:
        return
    if pair.old.deprecated != pair.new.deprecated:
        yield Said(f"the {pair.called} is {'now' if pair.new.deprecated else 'no longer'} deprecated")
    for key in ("allowEmptyValue", "allowReserved"):
        if pair.new.raw.get(key) is True and pair.old.raw.get(key) is not True:
            yield Said(f"the {pair.called} gained {key}")
