"""Undo the serialisation of parameters: every style of OpenAPI 3.x (section "Style Values"), exploded or not.

`reading` returns a function from the raw texts of one parameter (several where the name was repeated) to a text, a
list of texts or a dict of texts, still to be coerced. Texts arrive percent-encoded where the place is.

The subtle thing is a delimiter that a client encoded (``a%2Cb``): RFC 6570 calls it data, every common client library
and server framework treats it as a delimiter. Here it delimits unless the plain delimiter occurs too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policies.model.document import Parameter
from policies.traffic.validate_parameter_values import Malformed, Shape, percent_decoded

Raw = str | list[str] | dict[str, Any]
"""A dict's members are texts, or lists of them (``deepObject``)."""
Reading = Callable[[list[str]], Raw]
_DELIMITER = {"form": ",", "simple": ",", "label": ",", "matrix": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


def reading(parameter: Parameter, shape: Shape) -> Reading:
    """For every style but ``deepObject`` and exploded ``form`` objects, which are spread over several names."""
    decode = _decoder(parameter)
    style, name, explode = parameter.style, parameter.name, parameter.explode
    if "object" in shape.kinds:
        fold = _pairs if explode and style in ("simple", "label", "matrix") else _alternating
    else:
        fold = None
    is_array = "array" in shape.kinds
    if not is_array and fold is None:
        if style in ("label", "matrix"):
            return lambda values: decode(_unprefixed(style, name, _one(values)))
        return lambda values: decode(values[0] if len(values) == 1 else _one(values))
    if style == "form" and explode and is_array:
        return lambda values: [decode(value) for value in values]
    if style in ("spaceDelimited", "pipeDelimited") and explode and is_array:
        return lambda values: [decode(value) for value in values]
    delimiter = _delimiter(style, explode)

    def read(values: list[str]) -> Raw:
        text = _joined(style, name, explode, values)
        parts = _split(text, delimiter)
        if fold is not None:
            return {decode(key): decode(value) for key, value in fold(parts)}
        return [decode(part) for part in parts]

    return read


def _decoder(parameter: Parameter) -> Callable[[str], str]:
    if parameter.place == "header":
        return str.strip
    if parameter.place == "query":
        return _form_decoded
    return percent_decoded


def _form_decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return percent_decoded(text) if "%" in text else text


def _one(values: list[str]) -> str:
    if len(values) > 1:
        raise Malformed("REPEATED", "The parameter may be given once.")
    return values[0]


def _delimiter(style: str, explode: bool) -> str:
    if style == "label" and explode:
        return "."
    if style == "matrix" and explode:
        return ";"
    return _DELIMITER.get(style, ",")


def _unprefixed(style: str, name: str, text: str) -> str:
    """Without what ``label`` and ``matrix`` put in front."""
    if style == "label":
        if not text.startswith("."):
            raise Malformed("STYLE", "A label parameter starts with a dot.")
        return text[1:]
    if style == "matrix":
        if not text.startswith(f";{name}="):
            raise Malformed("STYLE", "A matrix parameter starts with a semicolon and its name.")
        return text[len(name) + 2 :]
    return text


def _joined(style: str, name: str, explode: bool, values: list[str]) -> str:
    if style == "simple" and len(values) > 1:  # a repeated header field is one list, RFC 9110 section 5.3
        return ",".join(values)
    text = _one(values)
    if style == "matrix" and explode:
        if not text.startswith(";"):
            raise Malformed("STYLE", "A matrix parameter starts with a semicolon.")
        prefix = f"{name}="
        return ";".join(part.removeprefix(prefix) for part in text[1:].split(";"))
    return _unprefixed(style, name, text)


def _split(text: str, delimiter: str) -> list[str]:
    if not text:
        return []
    if delimiter == " ":
        return text.replace("+", "%20").replace(" ", "%20").split("%20")
    if delimiter not in text:
        encoded = "%" + format(ord(delimiter), "02X")
        return text.replace(encoded.lower(), encoded).split(encoded)
    return text.split(delimiter)


def _alternating(parts: list[str]) -> list[tuple[str, str]]:
    if len(parts) % 2:
        raise Malformed("STYLE", "An object is written as names and values in turn.")
    return list(zip(parts[::2], parts[1::2], strict=True))


def _pairs(parts: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise Malformed("STYLE", "An exploded object is written as name=value pairs.")
        pairs.append((key, value))
    return pairs
