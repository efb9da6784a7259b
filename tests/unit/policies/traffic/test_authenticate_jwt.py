"""Bearer tokens: what is accepted, and everything that is not (RFC 8725, point by point)."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable
from hashlib import sha256
from inspect import isawaitable
from typing import Any

import pytest

from policies.model.access import Issuer, Plan, Subject
from policies.traffic import Exchange, Problem
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_jwt import KeySource, Memory, Tokens
from policies.traffic.authenticate_jwt_claims import texts
from policies.traffic.authenticate_jwt_keys import Keys, prepare
from policies.traffic.authenticate_jwt_reading import InvalidToken, read
from tests.unit.policies.traffic.facts import NOW, application, exchange
from tests.unit.policies.traffic.tokens import ISSUER, claims, encoded, issuer, jwk, token

LEEWAY = 10
SUBJECT = Subject(id="cred", issuer=ISSUER, subject="app", application="app")


class Source:
    """Keys that may become others when asked to refresh."""

    def __init__(self, *keys: dict[str, Any], later: Keys | None = None) -> None:
        self.keys: Keys = prepare({"keys": list(keys)})
        self.later = later
        self.asked = 0

    def refresh(self) -> Awaitable[None] | None:
        self.asked += 1
        return None if self.later is None else self._arrive()

    async def _arrive(self) -> None:
        assert self.later is not None
        self.keys = self.later


def tokens(
    *keys: dict[str, Any],
    of: Issuer | None = None,
    source: KeySource | None = None,
    subjects: tuple[Subject, ...] = (SUBJECT,),
    memory: Memory | None = None,
    epoch: list[int] | None = None,
) -> Tokens:
    callers = Callers([application(scopes=("a", "b", "c"))], [Plan(name="plan")])
    counted = epoch or [0]
    return Tokens(
        [(of or issuer(), source or Source(*(keys or (jwk(),))))],
        subjects,
        callers,
        memory or Memory(),
        lambda: counted[0],
    )


def judged(judge: Tokens, sent: bytes, now: float = NOW) -> tuple[Problem | None, Exchange]:
    made = exchange(now=now)
    outcome = judge.judge(made, b"Bearer " + sent)
    assert not isawaitable(outcome)
    return outcome, made


def refusal(judge: Tokens, sent: bytes, now: float = NOW) -> str:
    outcome, made = judged(judge, sent, now)
    assert isinstance(outcome, Problem)
    assert (outcome.status, outcome.slug) == (401, "credentials-invalid")
    assert made.caller is None
    name, challenge = outcome.headers[0]
    assert name == "WWW-Authenticate"
    assert challenge == f'Bearer realm="weighbridge", error="invalid_token", error_description="{outcome.detail}"'
    return outcome.detail


# -- accepted ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "alg"), [("EC", "ES256"), ("OKP", "EdDSA"), ("RSA", "RS256")])
def test_a_good_token_speaks_for_its_application(kind: str, alg: str) -> None:
    outcome, made = judged(tokens(jwk(kind)), token(kind=kind, alg=alg))
    assert outcome is None
    assert made.caller is not None
    assert (made.caller.application.id, made.caller.credential) == ("app", "cred")
    assert made.caller.scopes == {"a", "b"}
    assert made.caller.expires_at == NOW + 300 + LEEWAY


@pytest.mark.parametrize(
    "payload",
    [
        claims(aud=["other", "weighbridge"]),
        claims(exp=NOW + 0.5),
        claims(nbf=int(NOW) + LEEWAY),
        claims(iat=int(NOW) + LEEWAY),
        claims(exp=int(NOW) - LEEWAY + 1, iat=int(NOW) - 300),
        claims(iat=...),
        claims(sub=...),
    ],
)
def test_what_else_is_good(payload: dict[str, Any]) -> None:
    assert judged(tokens(), token(payload))[0] is None


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", ...])
def test_types_of_tokens(typ: Any) -> None:
    assert judged(tokens(), token(header={"typ": typ}))[0] is None


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_the_scheme_is_read_without_case(scheme: bytes) -> None:
    made = exchange()
    assert tokens().judge(made, scheme + token()) is None
    assert made.caller is not None


@pytest.mark.parametrize(
    ("scope", "granted"),
    [("a", {"a"}), ("a  z", {"a"}), (["b", "z", 3], {"b"}), (..., set()), (7, set()), ("", set())],
)
def test_a_token_grants_at_most_what_the_application_has(scope: Any, granted: set[str]) -> None:
    _, made = judged(tokens(), token(claims(scope=scope)))
    assert made.caller is not None
    assert made.caller.scopes == granted


def test_a_token_without_kid_fits_an_issuer_with_one_key() -> None:
    bare = token(header={"kid": ...})
    assert judged(tokens(jwk(kid=None)), bare)[0] is None
    assert judged(tokens(jwk(), jwk("OKP", "other")), bare)[0] is None
    assert refusal(tokens(jwk(), jwk(kid="k2", name="second")), bare) == (
        "The token names no key, and its issuer has not exactly one."
    )


# -- refused: form ----------------------------------------------------------------------------------------------------

HEADER = encoded(b'{"alg":"ES256","kid":"k1"}')


def bent(how: str) -> bytes:
    good = token()
    header, payload, signature = good.split(b".")
    return {
        "empty": b"",
        "one part": b"abc",
        "two parts": header + b"." + payload,
        "no signature": header + b"." + payload + b".",
        "five parts": good + b".x.y",
        "padded": header + b"." + payload + b"." + signature + b"==",
        "padded header": header + b"=." + payload + b"." + signature,
        "blank inside": header + b". " + payload + b"." + signature,
        "line break inside": header + b"." + payload[:4] + b"\n" + payload[4:] + b"." + signature,
        "standard alphabet": good.replace(b"-", b"+").replace(b"_", b"/") + b"+",
        "not canonical": good[:-1] + bytes([good[-1] + 1]),
        "cut off": good[:-8],
        "not JSON": encoded(b"{") + b"." + payload + b"." + signature,
        "not UTF-8": encoded(b'{"alg":"\xff"}') + b"." + payload + b"." + signature,
        "no object": encoded(b'["ES256"]') + b"." + payload + b"." + signature,
        "NaN": token(b'{"exp": NaN}'),
        "deep": token(b"[" * 3000),
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "one part",
        "two parts",
        "no signature",
        "five parts",
        "padded",
        "padded header",
        "blank inside",
        "line break inside",
        "standard alphabet",
        "not canonical",
        "cut off",
        "not JSON",
        "not UTF-8",
        "no object",
        "NaN",
        "deep",
    ],
)
def test_a_token_out_of_form_is_refused(how: str) -> None:
    refusal(tokens(), bent(how))


def test_duplicate_members_are_refused_in_header_and_claims() -> None:
    twice = json.dumps(claims())[:-1].encode() + b', "client_id": "other"}'
    assert refusal(tokens(), token(twice)) == "The token names a member twice."
    header = b'{"alg":"ES256","kid":"k1","kid":"k2"}'
    assert refusal(tokens(), token(header=header)) == "The token names a member twice."
    nested = json.dumps(claims())[:-1].encode() + b', "act": {"a": 1, "a": 2}}'
    assert refusal(tokens(), token(nested)) == "The token names a member twice."


def test_an_oversize_token_is_refused() -> None:
    assert refusal(tokens(), token(claims(more="x" * 9_000))) == "The token is too long."


@pytest.mark.parametrize("sent", [b"Basic YTpi", b"Bearer", b"Token x", b"DPoP x"])
def test_other_schemes_are_refused(sent: bytes) -> None:
    outcome = tokens().judge(exchange(), sent)
    assert isinstance(outcome, Problem)
    assert outcome.status == 401


# -- refused: key and algorithm ---------------------------------------------------------------------------------------


def test_no_signature_is_no_token() -> None:
    unsigned = encoded(b'{"alg":"none","kid":"k1"}') + b"." + encoded(json.dumps(claims()).encode()) + b"."
    refusal(tokens(), unsigned)
    assert refusal(tokens(), unsigned + b"AA") == "The token's algorithm is not one of its issuer's."


@pytest.mark.parametrize("alg", ["HS256", "none", "None", "es256", "RS1", "ES256K", "", None, 5, ["ES256"]])
def test_algorithms_that_are_not_the_issuers(alg: Any) -> None:
    forged = token(header={"alg": alg})
    assert refusal(tokens(of=issuer(algorithms=("ES256", "HS256", "none"))), forged) == (
        "The token's algorithm is not one of its issuer's."
    )


def test_a_public_key_is_no_shared_secret() -> None:
    public = json.dumps(jwk("RSA")).encode()
    signed = encoded(b'{"alg":"HS256","kid":"k1"}') + b"." + encoded(json.dumps(claims()).encode())
    forged = signed + b"." + encoded(hmac.digest(public, signed, sha256))
    refusal(tokens(jwk("RSA"), of=issuer(algorithms=("RS256", "HS256"))), forged)


def test_an_algorithm_the_issuer_does_not_use_is_refused_even_where_the_key_could() -> None:
    only = issuer(algorithms=("ES256",))
    assert refusal(tokens(jwk("RSA"), of=only), token(kind="RSA")) == (
        "The token's algorithm is not one of its issuer's."
    )


def test_the_algorithm_must_fit_the_key() -> None:
    mismatched = token(header={"alg": "RS256"})
    assert refusal(tokens(), mismatched) == "The token's algorithm does not fit its key."
    pinned = tokens(jwk("RSA", alg="RS512"))
    assert refusal(pinned, token(kind="RSA")) == "The token's algorithm does not fit its key."


def test_a_signature_by_another_key_is_refused() -> None:
    assert refusal(tokens(), token(name="another")) == "The token's signature is not valid."


def test_changed_claims_are_refused() -> None:
    header, _, signature = token().split(b".")
    changed = header + b"." + encoded(json.dumps(claims(client_id="admin")).encode()) + b"." + signature
    assert refusal(tokens(), changed) == "The token's signature is not valid."


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"])
def test_a_header_that_brings_its_own_rules_is_refused(member: str) -> None:
    value: Any = jwk() if member == "jwk" else ["exp"] if member == "crit" else "https://evil.example/keys"
    assert refusal(tokens(), token(header={member: value})) == f"The token's header must not hold {member}."


@pytest.mark.parametrize("kid", ["unknown", "../k1", "k1' or '1'='1", ""])
def test_an_unknown_kid_is_refused(kid: str) -> None:
    assert refusal(tokens(), token(header={"kid": kid})) == (
        "The token was signed with a key its issuer does not publish."
    )


def test_a_kid_that_is_no_text_is_refused() -> None:
    assert refusal(tokens(), token(header={"kid": 7})) == "The token's kid is not a string."


# -- refused: claims --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (claims(iss=...), "The token's issuer is not known here."),
        (claims(iss=ISSUER + "/"), "The token's issuer is not known here."),
        (claims(iss=[ISSUER]), "The token's issuer is not known here."),
        (claims(aud=...), "The token is meant for somebody else."),
        (claims(aud="other"), "The token is meant for somebody else."),
        (claims(aud="weighbridge2"), "The token is meant for somebody else."),
        (claims(aud=["other", 5, "weighbridge"]), "The token is meant for somebody else."),
        (claims(aud={"weighbridge": 1}), "The token is meant for somebody else."),
        (claims(exp=...), "The token does not say when it expires."),
        (claims(exp=str(int(NOW) + 300)), "The token's exp is not a number."),
        (claims(exp=True), "The token's exp is not a number."),
        (claims(exp=None), "The token's exp is not a number."),
        (claims(exp=int(NOW) - LEEWAY), "The token has expired."),
        (claims(exp=-1), "The token's exp is out of range."),
        (claims(exp=10**30), "The token's exp is out of range."),
        (claims(iat=-1), "The token's iat is out of range."),
        (claims(exp=int(NOW) - 5), "The token expires before it begins."),
        (claims(nbf=int(NOW) + 5, exp=int(NOW) + 5), "The token expires before it begins."),
        (claims(sub=5), "The token's sub is not a string."),
        (claims(jti=["1"]), "The token's jti is not a string."),
        (claims(cnf={"jkt": "x"}), "The token is bound to a key (DPoP), and is no bearer token."),
        (claims(nbf=int(NOW) + LEEWAY + 1), "The token is not valid yet."),
        (claims(nbf="0"), "The token's nbf is not a number."),
        (claims(iat=int(NOW) + LEEWAY + 1), "The token was issued in the future."),
        (claims(iat=[1]), "The token's iat is not a number."),
        (claims(client_id=...), "The token's subject is no application here."),
        (claims(client_id="nobody"), "The token's subject is no application here."),
        (claims(client_id=["app"]), "The token's subject is no application here."),
    ],
)
def test_claims_that_are_not_good(payload: dict[str, Any], detail: str) -> None:
    assert refusal(tokens(), token(payload)) == detail


def test_infinity_is_no_instant() -> None:
    endless = json.dumps(claims())[:-1].encode().replace(str(int(NOW) + 300).encode(), b"1e999") + b"}"
    assert refusal(tokens(), token(endless)) == "The token's exp is not a number."


@pytest.mark.parametrize("typ", ["dpop+jwt", "id+jwt", "secevent+jwt", "at+jwt "])
def test_tokens_of_another_type_are_refused(typ: str) -> None:
    assert refusal(tokens(), token(header={"typ": typ})) == "The token is not of a type accepted from its issuer."


def test_a_type_may_be_required() -> None:
    strict = issuer(token_types=("at+jwt",))
    assert judged(tokens(of=strict), token())[0] is None
    refusal(tokens(of=strict), token(header={"typ": ...}))


def test_a_type_that_is_no_text_is_refused() -> None:
    assert refusal(tokens(), token(header={"typ": 5})) == "The token's typ is not a string."


# -- credentials behind tokens ----------------------------------------------------------------------------------------


def test_a_token_dies_with_the_secret_it_was_bought_with() -> None:
    bought = token(claims(cid="cred"))
    memory = Memory()
    ours = issuer(embedded=True)
    assert judged(tokens(of=ours, memory=memory), bought)[0] is None
    other = Subject(id="newer", issuer=ISSUER, subject="app", application="app")
    assert refusal(tokens(of=ours, memory=memory, subjects=(other,)), bought) == (
        "The credential behind this token was revoked or has expired."
    )


@pytest.mark.parametrize("cid", ["other", 5, None])
def test_only_our_own_tokens_name_a_credential(cid: Any) -> None:
    sent = token(claims(cid=cid))
    assert refusal(tokens(of=issuer(embedded=True)), sent) == (
        "The credential behind this token was revoked or has expired."
    )
    assert judged(tokens(), sent)[0] is None  # some issuers call the client so


def test_an_expired_credential_ends_its_tokens() -> None:
    ending = Subject(id="cred", issuer=ISSUER, subject="app", application="app", expires_at=int(NOW) + 10)
    judge = tokens(subjects=(ending,))
    outcome, made = judged(judge, token())
    assert outcome is None
    assert made.caller is not None
    assert made.caller.expires_at == NOW + 10
    assert refusal(judge, token(), now=NOW + 10) == "The credential behind this token was revoked or has expired."


# -- memory -----------------------------------------------------------------------------------------------------------


def test_a_remembered_token_is_judged_once_and_still_expires() -> None:
    source = Source(jwk())
    judge = tokens(source=source)
    sent = token()
    first = judged(judge, sent)[1].caller
    assert judged(judge, sent)[1].caller is first
    assert refusal(judge, sent, now=NOW + 300 + LEEWAY) == "The token has expired."


def test_a_signature_is_remembered_across_snapshots_while_the_key_stands() -> None:
    memory = Memory()
    sent = token()
    assert judged(tokens(memory=memory), sent)[0] is None
    # the same kid with another key: what was proved before no longer counts
    assert refusal(tokens(jwk(name="another"), memory=memory), sent) == "The token's signature is not valid."
    assert refusal(tokens(jwk(kid="k2"), memory=memory), sent) == (
        "The token was signed with a key its issuer does not publish."
    )
    distrusted = tokens(of=issuer(algorithms=("RS256",)), memory=memory)
    assert refusal(distrusted, sent) == "The token's algorithm is not one of its issuer's."
    assert judged(tokens(memory=memory), sent)[0] is None


def test_a_key_withdrawn_between_snapshots_bites() -> None:
    epoch = [0]
    source = Source(jwk())
    judge = tokens(source=source, epoch=epoch)
    sent = token()
    assert judged(judge, sent)[0] is None
    source.keys = {}
    epoch[0] += 1
    refusal(judge, sent)


def test_an_unknown_kid_waits_for_the_keys_being_fetched() -> None:
    async def arrive() -> tuple[Any, Exchange]:
        source = Source(jwk(kid="old"), later=prepare({"keys": [jwk()]}))
        made = exchange()
        pending = tokens(source=source).judge(made, b"Bearer " + token())
        assert isawaitable(pending)
        return await pending, made

    outcome, made = asyncio.run(arrive())
    assert outcome is None
    assert made.caller is not None


def test_an_unknown_kid_that_stays_unknown_is_refused() -> None:
    async def stay() -> Any:
        source = Source(later=prepare({"keys": []}))
        pending = tokens(source=source).judge(exchange(), b"Bearer " + token())
        assert isawaitable(pending)
        return await pending

    assert asyncio.run(stay()).slug == "credentials-invalid"


def test_texts_of_claims() -> None:
    assert texts("a  b") == texts(["a", 3, "b"]) == ["a", "b"]
    assert texts("a b", split=False) == ["a b"]
    assert texts(None) == []


def test_reading_believes_nothing_and_keeps_what_was_signed() -> None:
    sent = token()
    got = read(sent)
    assert got.signed == sent.rpartition(b".")[0]
    assert got.header["alg"] == "ES256"
    with pytest.raises(InvalidToken):
        read(sent + b"=")
