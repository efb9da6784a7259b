from __future__ import annotations

from registry import errors


def test_every_error_has_a_status_a_slug_and_a_title_of_its_own() -> None:
    kinds = [
        errors.NotFound,
        errors.Conflict,
        errors.Unauthenticated,
        errors.Forbidden,
        errors.Invalid,
        errors.Rejected,
        errors.StorageError,
    ]
    assert [(kind.status, kind.slug) for kind in kinds] == [
        (404, "not-found"),
        (409, "conflict"),
        (401, "credentials-invalid"),
        (403, "forbidden"),
        (400, "invalid"),
        (422, "rejected"),
        (503, "storage-unavailable"),
    ]
    assert len({kind.title for kind in kinds}) == len(kinds)


def test_invalid_holds_every_fault() -> None:
    fault = errors.Invalid("/a", "is wrong", ("/b", "too"))
    assert (fault.pointer, fault.detail, str(fault)) == ("/a", "is wrong", "is wrong")
    assert fault.faults == (("/a", "is wrong"), ("/b", "too"))
