"""What can go wrong in the registry, for callers who will catch it. Each error carries its HTTP `status` and `slug`.

Owns the mapping from fault to status; knows nothing of HTTP beyond that number (`registry.api` renders). No message
ever contains a secret: messages name ids, never credentials.
"""

from __future__ import annotations

from typing import Any, ClassVar

from policies.traffic import Problem


class RegistryError(Exception):
    """Base. `str(error)` is the detail a caller may be shown."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "The registry failed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(RegistryError):
    """The thing that was named does not exist."""

    status = 404
    slug = "not-found"
    title = "No such thing"


class Conflict(RegistryError):
    """The change contradicts what stands: another document under that number, a name in use, a plan with users."""

    status = 409
    slug = "conflict"
    title = "The change contradicts what stands"


class Unauthenticated(RegistryError):
    """No, unknown, expired or revoked credentials. The detail never says which part was wrong."""

    status = 401
    slug = "credentials-invalid"
    title = "Credentials are missing or not valid"


class Forbidden(RegistryError):
    """The actor is known and may not do this; the detail says who may."""

    status = 403
    slug = "forbidden"
    title = "Not allowed"


class Invalid(RegistryError):
    """A value is malformed. `faults` holds (JSON pointer into the input, what is wrong); `pointer` is the first."""

    status = 400
    slug = "invalid"
    title = "The input is not valid"

    def __init__(self, pointer: str, detail: str, *more: tuple[str, str]) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.faults: tuple[tuple[str, str], ...] = ((pointer, detail), *more)


class Rejected(RegistryError):
    """The policies refused a publish or a transition; nothing was written.

    `publication` (a `registry.evidence.Publication`) is the whole judgement: lint, comparisons, gates, impact. It is
    the answer to *what must I change*.
    """

    status = 422
    slug = "rejected"
    title = "The change was refused"

    def __init__(self, detail: str, publication: Any) -> None:
        super().__init__(detail)
        self.publication = publication


class Undiscovered(RegistryError):
    """Another server did not say what it was asked; the detail names the address and what was wrong there."""

    status = 422
    slug = "issuer-not-discovered"
    title = "The issuer's metadata cannot be used"


class Refused(RegistryError):
    """What a gateway would answer to this application: the `problem` of a policy, as it stands."""

    status = 403
    slug = "refused"
    title = "Refused"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class StorageError(RegistryError):
    """The database could not be reached or is busy; trying again may help."""

    status = 503
    slug = "storage-unavailable"
    title = "The registry's database is not available"
