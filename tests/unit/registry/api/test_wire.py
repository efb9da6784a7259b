"""JSON in and out: instants, faults, pages."""

import pytest

from policies.model.contract import Contract
from registry.api.wire import decode, instant, instants, moment, page, plain
from registry.errors import Invalid
from registry.names import precedence
from registry.store.records import Credential, Operator, SigningKey


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2027-01-15T08:00:00Z", 1_800_000_000),
        ("2027-01-15t08:00:00z", 1_800_000_000),
        ("2027-01-15T10:00:00+02:00", 1_800_000_000),
        ("2027-01-15T08:00:00.999Z", 1_800_000_000),
        ("2027-01-15", 1_799_971_200),
    ],
)
def test_moments(text: str, seconds: int) -> None:
    assert moment(text, "/x") == seconds


def test_no_moment() -> None:
    assert moment(None, "/x") is None


@pytest.mark.parametrize(
    "text", ["2027-13-01", "2027-02-30", "2027-01-15T08:00:00", "0001-01-01", "9999-12-31", "soon"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        moment(text, "/sunset_at")
    assert caught.value.pointer == "/sunset_at"


def test_instants_leave_witnesses_alone() -> None:
    assert instant(1_800_000_000) == "2027-01-15T08:00:00Z"
    tree = {"at": 0, "until": None, "n": 5, "list": [{"sunset_at": 1}], "witness": {"created_at": 7}}
    assert instants(tree) == {
        "at": "1970-01-01T00:00:00Z",
        "until": None,
        "n": 5,
        "list": [{"sunset_at": "1970-01-01T00:00:01Z"}],
        "witness": {"created_at": 7},
    }


def test_what_only_the_registry_may_know_stays() -> None:
    operator = Operator(id="a", name="n", role="admin", digest="secret", created_at=0, created_by="x")
    credential = Credential(id="a", application="b", kind="api-key", digest="secret", created_at=0, created_by="x")
    key = SigningKey(kid="k", private_pem="secret", public_jwk={"created_at": 3}, created_at=0)
    for record in (operator, credential, key):
        assert "secret" not in str(plain(record))
    assert plain(key)["public_jwk"] == {"created_at": 3}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"audience": "nobody"}, "/audience"),
        ({"contacts": [{"name": "a"}, {"name": 1}]}, "/contacts/1/name"),
        ({"nope": 1}, ""),
        ({"name": "other"}, "/name"),
    ],
)
def test_faults_of_a_body_have_pointers(change: dict[str, object], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(Contract, {"title": "T", "owner": "o", "audience": "partner", **change}, name="stock")
    assert caught.value.pointer == pointer


def test_pages_follow_one_another() -> None:
    names = ["a", "b", "c", "d", "e"]
    seen, cursor = [], None
    for _ in range(3):
        got = page(names, str, lambda name: {"n": name}, 2, cursor)
        seen.append([item["n"] for item in got["items"]])
        assert got["page"]["limit"] == 2
        cursor = got["page"]["next_cursor"]
    assert (seen, cursor) == ([["a", "b"], ["c", "d"], ["e"]], None)


def test_a_cursor_survives_the_deletion_of_its_item() -> None:
    cursor = page(["a", "b", "c"], str, lambda name: {"n": name}, 2, None)["page"]["next_cursor"]
    assert page(["a", "c"], str, lambda name: {"n": name}, 2, cursor)["items"] == [{"n": "c"}]
    assert page(["a"], str, lambda name: {"n": name}, 2, cursor)["items"] == []


def test_a_cursor_survives_in_an_order_that_is_not_that_of_text() -> None:
    """A version leaves a list of one stage between two pages: 1.9.0 is deprecated, and 1.10.0 comes next."""
    cursor = page(["1.9.0", "1.10.0"], str, lambda name: {"n": name}, 1, None)["page"]["next_cursor"]
    assert page(["1.2.0", "1.10.0"], str, lambda name: {"n": name}, 1, cursor, precedence)["items"] == [{"n": "1.10.0"}]
    with pytest.raises(Invalid):
        page(["1.10.0"], str, lambda name: {"n": name}, 1, "enp6", precedence)


@pytest.mark.parametrize("cursor", ["!", "a", "_w==", "é"])
def test_what_was_never_a_cursor(cursor: str) -> None:
    with pytest.raises(Invalid) as caught:
        page(["a"], str, lambda name: {}, 2, cursor)
    assert caught.value.pointer == "/query/cursor"
