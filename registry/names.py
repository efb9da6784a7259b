"""What things may be called: slugs, version numbers, free text. A check raises `Invalid` with the caller's pointer."""

from __future__ import annotations

import re

from semver import Version as Semver

from registry.errors import Invalid

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SLUG_LENGTH = 64
_NUMBER_LENGTH = 64
_LARGEST_PART = 999_999


def require_slug(value: str, pointer: str, what: str) -> None:
    """Kebab-case, at most 64 characters: it appears in addresses, headers and file names."""
    if len(value) > _SLUG_LENGTH or not _SLUG.fullmatch(value):
        raise Invalid(
            pointer,
            f"{what} must be kebab-case: lower-case letters, digits, single dashes, at most {_SLUG_LENGTH} characters",
        )


def require_text(value: str, pointer: str, what: str, *, longest: int = 2000, empty: bool = False) -> None:
    """Printable text, not blank unless `empty`."""
    if not empty and not value.strip():
        raise Invalid(pointer, f"{what} must not be blank")
    if len(value) > longest:
        raise Invalid(pointer, f"{what} is longer than {longest} characters")
    if "\0" in value:
        raise Invalid(pointer, f"{what} holds a NUL character")


def require_token(value: str, pointer: str, what: str, *, longest: int = 255) -> None:
    """Visible ASCII without blanks or commas: it travels in headers and lists."""
    if (
        not value
        or len(value) > longest
        or not all("!" <= character <= "~" and character != "," for character in value)
    ):
        raise Invalid(pointer, f"{what} must be 1 to {longest} visible ASCII characters without blanks or commas")


def semver(number: str, pointer: str = "/number") -> Semver:
    """A semver 2.0 number without build metadata, which has no precedence and so could not be ordered."""
    try:
        parsed = Semver.parse(number) if len(number) <= _NUMBER_LENGTH else None
    except ValueError:
        parsed = None
    if parsed is None:
        raise Invalid(pointer, "a version number is semver 2.0 such as 1.4.0: three numbers, without a leading v")
    if parsed.build:
        raise Invalid(pointer, "a version number has no build metadata (the part after +): it could not be ordered")
    if max(parsed.major, parsed.minor, parsed.patch) > _LARGEST_PART:
        raise Invalid(pointer, f"the parts of a version number are at most {_LARGEST_PART}")
    return parsed


def precedence(number: str) -> Semver:
    """Sort key of a stored number."""
    return Semver.parse(number)
