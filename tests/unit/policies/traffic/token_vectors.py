"""Several hundred tokens with the verdict each must get: good ones, and good ones bent in one named way.

A vector is what is sent in ``Authorization``, the issuer's keys and rules, and whether it speaks for the application.
Every bent token is signed properly again unless its name says otherwise, so that nothing but the bend can refuse it.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from tests.unit.policies.traffic.facts import NOW
from tests.unit.policies.traffic.tokens import AUDIENCE, ISSUER, claims, encoded, jwk, private, token

NOW_S = int(NOW)
KINDS = {
    "ES256": "EC",
    "ES384": "EC384",
    "EdDSA": "OKP",
    "Ed25519": "OKP",
    "RS256": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
}
EVERY = ("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True)
class Vector:
    name: str
    sent: bytes
    good: bool = False
    keys: tuple[dict[str, Any], ...] = ()
    rules: dict[str, Any] = field(default_factory=dict)


def signed(alg: str, payload: Any = None, header: Any = None, *, name: str = "") -> bytes:
    """A token that says `alg` and is signed so, whatever else its header says."""
    if not isinstance(header, bytes):
        parts = {"alg": alg, "kid": "k1", "typ": "at+jwt"} | (header or {})
        header = json.dumps({key: value for key, value in parts.items() if value is not ...}).encode()
    if not isinstance(payload, bytes):
        payload = json.dumps(claims() if payload is None else payload).encode()
    message = encoded(header) + b"." + encoded(payload)
    signer = get_default_algorithms()["EdDSA" if alg == "Ed25519" else alg]
    return message + b"." + encoded(signer.sign(message, private(KINDS[alg], name)))


def resigned(alg: str, sign: Callable[[bytes], bytes]) -> bytes:
    message = signed(alg).rpartition(b".")[0]
    return message + b"." + encoded(sign(message))


# -- good -------------------------------------------------------------------------------------------------------------

GOOD_HEADERS: dict[str, dict[str, Any]] = {
    "no typ": {"typ": ...},
    "typ JWT": {"typ": "JWT"},
    "typ jwt": {"typ": "jwt"},
    "typ AT+JWT": {"typ": "AT+JWT"},
    "typ application/at+jwt": {"typ": "application/at+jwt"},
    "typ Application/AT+JWT": {"typ": "Application/AT+JWT"},
    "thumbprint beside kid": {"x5t": "aGVsbG8", "x5t#S256": "aGVsbG8"},
    "unknown members": {"nonce": "n", "https://x.example/y": {"z": [1]}},
    "cty that is no token": {"cty": "json"},
}
GOOD_CLAIMS: dict[str, dict[str, Any]] = {
    "audience in a list": {"aud": [AUDIENCE]},
    "audience among others": {"aud": ["https://a.example", AUDIENCE, "b"]},
    "exp with a fraction": {"exp": NOW_S + 100.5},
    "exp in exponent form": {"exp": float(NOW_S + 100)},
    "nbf now": {"nbf": NOW_S},
    "nbf zero": {"nbf": 0},
    "nbf within leeway": {"nbf": NOW_S + 10},
    "iat within leeway": {"iat": NOW_S + 10},
    "no iat": {"iat": ...},
    "no sub": {"sub": ...},
    "expired within leeway": {"iat": NOW_S - 60, "exp": NOW_S - 9},
    "far future": {"exp": 4_102_444_800},
    "scope absent": {"scope": ...},
    "scope a list": {"scope": ["a"]},
    "unicode": {"name": "Größe \u2603 \U0001f600"},
    "nested claims": {"realm_access": {"roles": ["x", {"deep": [[[1]]]}]}},
    "many roles": {"roles": [f"role-{n}" for n in range(200)]},
    "many objects": {"resource_access": {f"c{n}": {"roles": ["r"]} for n in range(60)}},
    "a claim called cid": {"cid": "0oa123"},
    "null claim nobody reads": {"act": None},
}


def good() -> Iterator[Vector]:
    for alg, kind in KINDS.items():
        yield Vector(f"good: {alg}", signed(alg), True, (jwk(kind),))
        yield Vector(f"good: {alg} with alg in the key", signed(alg), True, (jwk(kind, alg=alg),))
        yield Vector(
            f"good: {alg} with use and key_ops", signed(alg), True, (jwk(kind, use="sig", key_ops=["verify"]),)
        )
        yield Vector(f"good: {alg} without kid", signed(alg, header={"kid": ...}), True, (jwk(kind),))
        yield Vector(f"good: {alg} among others", signed(alg), True, (jwk(kind), jwk("EC", "other", "o", use="enc")))
        for what, header in GOOD_HEADERS.items():
            yield Vector(f"good: {alg}, {what}", signed(alg, header=header), True, (jwk(kind),))
    for what, change in GOOD_CLAIMS.items():
        yield Vector(f"good: {what}", signed("ES256", claims(**change)), True, (jwk(),))
    blank = json.dumps(claims(), indent=2).encode()
    yield Vector("good: blanks in the claims", signed("ES256", b"\r\n\t " + blank + b"\n"), True, (jwk(),))
    yield Vector(
        "good: escapes in the header", signed("ES256", header=rb'{"\u0061lg":"ES256","kid":"k\u0031"}'), True, (jwk(),)
    )
    pair = json.dumps(claims(name="\U0001f600"), ensure_ascii=True).encode()
    yield Vector("good: a surrogate pair", signed("ES256", pair), True, (jwk(),))
    high = resigned("ES256", lambda m: _ecdsa(m, lambda r, s, n: (r, n - s)))
    yield Vector("good: the other s, which JWS does not forbid", high, True, (jwk(),))


# -- form: every algorithm --------------------------------------------------------------------------------------------


def _edit(index: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def bend(sent: bytes) -> bytes:
        parts = sent.split(b".")
        parts[index] = change(parts[index])
        return b".".join(parts)

    return bend


def _trailing_bits(part: bytes) -> bytes:
    """Another spelling of the same octets, or one character that is none."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if len(part) % 4 == 0:
        return part + b"A"
    return part[:-1] + bytes([alphabet[alphabet.index(part[-1]) ^ 1]])


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "cut after the claims": lambda t: t.rpartition(b".")[0],
    "empty signature": lambda t: t.rpartition(b".")[0] + b".",
    "header missing": lambda t: t[t.index(b".") :],
    "claims missing": lambda t: t.split(b".")[0] + b".." + t.split(b".")[2],
    "four parts": lambda t: t + b".",
    "five parts": lambda t: t + b".AA.AA",
    "five empty parts": lambda t: t.split(b".")[0] + b"....",
    "leading dot": lambda t: b"." + t,
    "twice with a comma": lambda t: t + b"," + t,
    "twice with a comma and a scheme": lambda t: t + b", Bearer " + t,
    "twice with a blank": lambda t: t + b" " + t,
    "trailing comma": lambda t: t + b",",
    "quoted": lambda t: b'"' + t + b'"',
    "as a parameter": lambda t: b"token=" + t,
    "header padded": _edit(0, lambda p: p + b"="),
    "claims padded": _edit(1, lambda p: p + b"=" * (-len(p) % 4 or 4)),
    "signature padded": _edit(2, lambda p: p + b"=" * (-len(p) % 4 or 4)),
    "header in standard base64": _edit(0, lambda p: p.replace(b"-", b"+").replace(b"_", b"/") + b"+"),
    "signature in standard base64": _edit(2, lambda p: p[:-2] + b"+/"),
    "header with other trailing bits": _edit(0, _trailing_bits),
    "claims with other trailing bits": _edit(1, _trailing_bits),
    "signature with other trailing bits": _edit(2, _trailing_bits),
    "line break in the header": _edit(0, lambda p: p[:4] + b"\n" + p[4:]),
    "line break in the claims": _edit(1, lambda p: p[:4] + b"\r\n" + p[4:]),
    "line break in the signature": _edit(2, lambda p: p[:4] + b"\n" + p[4:]),
    "blank before a dot": _edit(0, lambda p: p + b" "),
    "blank after a dot": _edit(1, lambda p: b" " + p),
    "tab at the end": lambda t: t + b"\t",
    "line break at the end": lambda t: t + b"\n",
    "NUL at the end": lambda t: t + b"\0",
    "no-break space at the end": lambda t: t + b"\xa0",
    "percent-encoded dot": lambda t: t.replace(b".", b"%2E", 1),
    "a letter that is not ASCII": _edit(1, lambda p: p[:5] + b"\xc3\xa9" + p[6:]),
    "header of another case": _edit(0, lambda p: p.swapcase()),
    "signature of another case": _edit(2, lambda p: p.swapcase()),
    "signature cut": _edit(2, lambda p: p[:-8]),
    "signature longer": _edit(2, lambda p: p + b"AAAA"),
    "signature before zeros": _edit(2, lambda p: encoded(b"\0\0\0") + p),
    "signature all zeros": _edit(2, lambda p: b"A" * len(p)),
    "first bit of the signature": _edit(2, lambda p: (b"A" if p[:1] != b"A" else b"Q") + p[1:]),
    "one byte of signature": _edit(2, lambda p: b"AA"),
    "header and claims exchanged": lambda t: b".".join([t.split(b".")[1], t.split(b".")[0], t.split(b".")[2]]),
    "claims of another token": lambda t: _swap_claims(t, claims(client_id="other")),
    "claims with a longer life": lambda t: _swap_claims(t, claims(exp=NOW_S + 9999)),
    "claims reordered": lambda t: _swap_claims(t, dict(reversed(list(claims().items())))),
}


def _swap_claims(sent: bytes, others: dict[str, Any]) -> bytes:
    header, _, signature = sent.split(b".")
    return header + b"." + encoded(json.dumps(others).encode()) + b"." + signature


def forms() -> Iterator[Vector]:
    for alg, kind in KINDS.items():
        for what, bend in FORMS.items():
            yield Vector(f"form: {alg}, {what}", bend(signed(alg)), keys=(jwk(kind),))
        header, payload, signature = (part.decode() for part in signed(alg).split(b"."))
        general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
        flat = {"payload": payload, "protected": header, "signature": signature}
        yield Vector(f"form: {alg}, JSON serialisation", json.dumps(general).encode(), keys=(jwk(kind),))
        yield Vector(f"form: {alg}, flat JSON serialisation", json.dumps(flat).encode(), keys=(jwk(kind),))
        detached = signed(alg, header={"b64": False, "crit": ["b64"]})
        yield Vector(f"form: {alg}, unencoded payload", detached, keys=(jwk(kind),))


# -- header -----------------------------------------------------------------------------------------------------------

HEADERS: dict[str, dict[str, Any]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "None"},
    "alg NONE": {"alg": "NONE"},
    "alg nOnE": {"alg": "nOnE"},
    "alg empty": {"alg": ""},
    "alg null": {"alg": None},
    "alg missing": {"alg": ...},
    "alg a list": {"alg": ["ES256"]},
    "alg an object": {"alg": {"ES256": 1}},
    "alg a number": {"alg": 256},
    "alg true": {"alg": True},
    "alg in lower case": {"alg": "es256"},
    "alg with a blank": {"alg": "ES256 "},
    "alg with NUL": {"alg": "ES256\0"},
    "alg HS256": {"alg": "HS256"},
    "alg HS384": {"alg": "HS384"},
    "alg ES256K": {"alg": "ES256K"},
    "alg ES521": {"alg": "ES521"},
    "alg ES384 for a P-256 key": {"alg": "ES384"},
    "alg RS256 for a P-256 key": {"alg": "RS256"},
    "alg EdDSA for a P-256 key": {"alg": "EdDSA"},
    "alg RSA1_5": {"alg": "RSA1_5"},
    "alg dir": {"alg": "dir"},
    "alg ECDH-ES": {"alg": "ECDH-ES"},
    "kid null": {"kid": None},
    "kid a number": {"kid": 1},
    "kid a list": {"kid": ["k1"]},
    "kid an object": {"kid": {"k1": "k1"}},
    "kid false": {"kid": False},
    "kid empty": {"kid": ""},
    "kid of another case": {"kid": "K1"},
    "kid with a blank": {"kid": "k1 "},
    "kid with NUL": {"kid": "k1\0"},
    "kid a path": {"kid": "../../../../dev/null"},
    "kid a file": {"kid": "file:///dev/null"},
    "kid an address": {"kid": "https://evil.example/jwks.json"},
    "kid an injection": {"kid": "k1' UNION SELECT 'AAAA';--"},
    "kid a command": {"kid": "k1|sleep 5"},
    "kid very long": {"kid": "k" * 3000},
    "jwk": {"jwk": jwk()},
    "jwk of an attacker": {"jwk": jwk(name="attacker")},
    "jwk null": {"jwk": None},
    "jku": {"jku": "https://evil.example/jwks.json"},
    "jku of the issuer": {"jku": ISSUER + "/jwks"},
    "x5u": {"x5u": "https://evil.example/x.pem"},
    "x5c": {"x5c": [b64encode(b"certificate").decode()]},
    "x5c empty": {"x5c": []},
    "crit": {"crit": ["exp"]},
    "crit empty": {"crit": []},
    "crit null": {"crit": None},
    "crit with what we know": {"crit": ["alg"]},
    "crit unknown": {"crit": ["https://x.example/y"], "https://x.example/y": 1},
    "b64 true": {"b64": True},
    "b64 false": {"b64": False},
    "zip": {"zip": "DEF"},
    "enc": {"enc": "A256GCM"},
    "cty JWT": {"cty": "JWT"},
    "cty jwt": {"cty": "jwt"},
    "cty application/jwt": {"cty": "application/jwt"},
    "cty a number": {"cty": 1},
    "typ a number": {"typ": 1},
    "typ null": {"typ": None},
    "typ empty": {"typ": ""},
    "typ a list": {"typ": ["at+jwt"]},
    "typ id+jwt": {"typ": "id+jwt"},
    "typ logout+jwt": {"typ": "logout+jwt"},
    "typ dpop+jwt": {"typ": "dpop+jwt"},
    "typ secevent+jwt": {"typ": "secevent+jwt"},
    "typ JOSE": {"typ": "JOSE"},
    "typ with a blank": {"typ": "at+jwt "},
    "typ with parameters": {"typ": "at+jwt; x=1"},
    "typ text/at+jwt": {"typ": "text/at+jwt"},
    "typ application/application/at+jwt": {"typ": "application/application/at+jwt"},
}
RAW_HEADERS: dict[str, bytes] = {
    "alg twice": b'{"alg":"none","alg":"ES256","kid":"k1"}',
    "alg twice, the other way": b'{"alg":"ES256","alg":"none","kid":"k1"}',
    "alg twice, one escaped": rb'{"alg":"ES256","\u0061lg":"none","kid":"k1"}',
    "kid twice": b'{"alg":"ES256","kid":"k1","kid":"k1"}',
    "an unknown member twice": b'{"alg":"ES256","kid":"k1","x":1,"x":1}',
    "a nested member twice": b'{"alg":"ES256","kid":"k1","x":{"y":1,"y":2}}',
    "byte order mark": b'\xef\xbb\xbf{"alg":"ES256","kid":"k1"}',
    "UTF-16": '{"alg":"ES256","kid":"k1"}'.encode("utf-16"),
    "UTF-32": '{"alg":"ES256","kid":"k1"}'.encode("utf-32"),
    "invalid UTF-8": b'{"alg":"ES256","kid":"k1","x":"\xff"}',
    "overlong UTF-8": b'{"alg":"ES256","kid":"k1","x":"\xc0\xaf"}',
    "a raw surrogate": b'{"alg":"ES256","kid":"k1","x":"\xed\xa0\x80"}',
    "an escaped half of a pair": rb'{"alg":"ES256","kid":"k1","x":"\ud800"}',
    "NaN": b'{"alg":"ES256","kid":"k1","x":NaN}',
    "Infinity": b'{"alg":"ES256","kid":"k1","x":-Infinity}',
    "trailing comma": b'{"alg":"ES256","kid":"k1",}',
    "comment": b'{"alg":"ES256","kid":"k1"/**/}',
    "single quotes": b"{'alg':'ES256','kid':'k1'}",
    "two objects": b'{"alg":"ES256","kid":"k1"}{}',
    "text behind": b'{"alg":"ES256","kid":"k1"} x',
    "NUL behind": b'{"alg":"ES256","kid":"k1"}\0',
    "a list": b'[{"alg":"ES256","kid":"k1"}]',
    "a string": b'"ES256"',
    "null": b"null",
    "empty": b"",
    "empty object": b"{}",
    "a control character": b'{"alg":"ES256","kid":"k1","x":"\n"}',
    "a leading zero": b'{"alg":"ES256","kid":"k1","x":01}',
    "deep": b'{"alg":"ES256","kid":"k1","x":' + b"[" * 40 + b"]" * 40 + b"}",
    "very deep": b'{"alg":"ES256","kid":"k1","x":' + b"[" * 2500 + b"]" * 2500 + b"}",
    "a number of thousands of digits": b'{"alg":"ES256","kid":"k1","x":' + b"9" * 5000 + b"}",
}


def headers() -> Iterator[Vector]:
    every = {"algorithms": (*EVERY, "HS256", "HS384", "none", "ES256K")}
    for what, header in HEADERS.items():
        yield Vector(f"header: {what}", signed("ES256", header=header), keys=(jwk(),), rules=every)
    for what, raw in RAW_HEADERS.items():
        yield Vector(f"header: {what}", signed("ES256", header=raw), keys=(jwk(),), rules=every)
    for alg in KINDS:  # what an issuer does not use is refused, though the key could
        others = tuple(sorted(set(EVERY) - {alg}))
        yield Vector(
            f"header: {alg}, not the issuer's", signed(alg), keys=(jwk(KINDS[alg]),), rules={"algorithms": others}
        )


# -- claims -----------------------------------------------------------------------------------------------------------

NOT_INSTANTS: dict[str, Any] = {
    "a string": str(NOW_S + 100),
    "a fraction as a string": "1e99",
    "true": True,
    "false": False,
    "null": None,
    "a list": [NOW_S + 100],
    "an object": {"value": NOW_S + 100},
    "negative": -1,
    "very negative": -(2**63),
    "huge": 2**63,
    "in milliseconds": (NOW_S + 100) * 1000,
    "a date": "2031-01-01T00:00:00Z",
}
CLAIMS: dict[str, dict[str, Any]] = {
    "iss missing": {"iss": ...},
    "iss null": {"iss": None},
    "iss a list": {"iss": [ISSUER]},
    "iss an object": {"iss": {"url": ISSUER}},
    "iss empty": {"iss": ""},
    "iss with a slash": {"iss": ISSUER + "/"},
    "iss longer": {"iss": ISSUER + ".evil.example"},
    "iss with a path": {"iss": ISSUER + "/realms/other"},
    "iss a prefix": {"iss": ISSUER[:-1]},
    "iss of another case": {"iss": ISSUER.upper()},
    "iss over http": {"iss": ISSUER.replace("https", "http")},
    "iss with a port": {"iss": ISSUER + ":443"},
    "iss with user": {"iss": ISSUER.replace("//", "//evil@")},
    "iss with blank": {"iss": ISSUER + " "},
    "iss with NUL": {"iss": ISSUER + "\0"},
    "iss with a look-alike": {"iss": ISSUER.replace("i", "\u0456", 1)},
    "aud missing": {"aud": ...},
    "aud null": {"aud": None},
    "aud empty": {"aud": ""},
    "aud an empty list": {"aud": []},
    "aud another": {"aud": "other"},
    "aud others": {"aud": ["other", "another"]},
    "aud longer": {"aud": AUDIENCE + "2"},
    "aud a prefix": {"aud": AUDIENCE[:-1]},
    "aud a list of characters": {"aud": list(AUDIENCE)},
    "aud of another case": {"aud": AUDIENCE.upper()},
    "aud with blanks": {"aud": f" {AUDIENCE} "},
    "aud in a string with others": {"aud": f"other {AUDIENCE}"},
    "aud with commas": {"aud": f"other,{AUDIENCE}"},
    "aud with a slash": {"aud": AUDIENCE + "/"},
    "aud with a number": {"aud": [AUDIENCE, 5]},
    "aud with null": {"aud": [None, AUDIENCE]},
    "aud nested": {"aud": [[AUDIENCE]]},
    "aud an object": {"aud": {AUDIENCE: True}},
    "aud true": {"aud": True},
    "exp missing": {"exp": ...},
    "exp past": {"iat": NOW_S - 100, "exp": NOW_S - 11},
    "exp zero": {"exp": 0},
    "exp before iat": {"exp": NOW_S - 5, "iat": NOW_S - 4},
    "exp before nbf": {"exp": NOW_S + 5, "nbf": NOW_S + 6},
    "nbf in the future": {"nbf": NOW_S + 11},
    "iat in the future": {"iat": NOW_S + 11},
    "sub a number": {"sub": 7},
    "sub null": {"sub": None},
    "sub a list": {"sub": ["app"]},
    "jti an object": {"jti": {}},
    "client_id missing": {"client_id": ...},
    "client_id null": {"client_id": None},
    "client_id a list": {"client_id": ["app"]},
    "client_id an object": {"client_id": {"app": "app"}},
    "client_id a number": {"client_id": 0},
    "client_id true": {"client_id": True},
    "client_id empty": {"client_id": ""},
    "client_id of another case": {"client_id": "APP"},
    "client_id with a blank": {"client_id": "app "},
    "client_id with NUL": {"client_id": "app\0"},
    "client_id longer": {"client_id": "application"},
    "client_id a star": {"client_id": "*"},
    "client_id a look-alike": {"client_id": "\u0430pp"},
    "bound to a DPoP key": {"cnf": {"jkt": "thumbprint"}},
    "bound to nothing": {"cnf": {}},
    "bound to null": {"cnf": None},
    "bound to a certificate that is not there": {"cnf": {"x5t#S256": "A" * 43}},
}


def claim_vectors() -> Iterator[Vector]:
    def vector(what: str, payload: Any, **more: Any) -> Vector:
        return Vector(f"claims: {what}", signed("ES256", payload), keys=(jwk(),), **more)

    for what, change in CLAIMS.items():
        yield vector(what, claims(**change))
    for name in ("exp", "nbf", "iat"):
        for what, value in NOT_INSTANTS.items():
            yield vector(f"{name} {what}", claims(**{name: value}))
        text = json.dumps(claims(**{name: 123454321})).encode()
        for what, raw in {
            "infinite": b"1e999",
            "minus infinite": b"-1e999",
            "NaN": b"NaN",
            "thousands of digits": b"9" * 5000,
        }.items():
            yield vector(f"{name} {what}", text.replace(b"123454321", raw))
        twice = text.replace(b"123454321", b'%d, "%s": %d' % (NOW_S + 9999, name.encode(), NOW_S + 9999))
        yield vector(f"{name} twice", twice)
    whole = json.dumps(claims()).encode()
    for name in ("iss", "aud", "client_id", "scope"):
        value = json.dumps(claims()[name]).encode()
        yield vector(f"{name} twice", whole[:-1] + b', "%s": %s}' % (name.encode(), value))
        escaped = b"\\u%04x" % ord(name[0]) + name[1:].encode()
        yield vector(f"{name} twice, one escaped", whole[:-1] + b', "%s": %s}' % (escaped, value))
    for what, raw in {
        "a nested member twice": whole[:-1] + b', "x": {"y": 1, "y": 1}}',
        "a member twice in a list": whole[:-1] + b', "x": [[{"y": 1, "y": 1}]]}',
        "byte order mark": b"\xef\xbb\xbf" + whole,
        "UTF-16": whole.decode().encode("utf-16"),
        "UTF-8 that is none": whole[:-1] + b', "x": "\xff\xfe"}',
        "an escaped half of a pair": whole[:-1] + rb', "x": "\udc00"}',
        "text behind": whole + b"x",
        "two objects": whole + whole,
        "a list": b"[" + whole + b"]",
        "a token within": signed("ES256"),
        "a string": json.dumps(signed("ES256").decode()).encode(),
        "null": b"null",
        "nothing": b"",
        "empty object": b"{}",
        "deep": whole[:-1] + b', "x": ' + b'{"a":' * 35 + b"1" + b"}" * 36,
        "very deep": whole[:-1] + b', "x": ' + b"[" * 2800 + b"]" * 2800 + b"}",
        "too long": whole[:-1] + b', "x": "' + b"x" * 8000 + b'"}',
    }.items():
        yield vector(what, raw)
    for name in ("at_hash", "c_hash", "events"):
        for typ in ("JWT", ...):
            sent = signed("ES256", claims(**{name: "x"}), {"typ": typ})
            yield Vector(f"claims: {name}, typ {typ}", sent, keys=(jwk(),))
    yield vector("a longer life than the issuer may give", claims(), rules={"max_lifetime": 304})
    yield vector("a longer life, without iat", claims(iat=...), rules={"max_lifetime": 299})
    yield vector("a required claim missing", claims(), rules={"required_claims": {"tid": ("t1",)}})
    for what, value in {
        "other": "t2",
        "in a list of others": ["t2"],
        "a prefix": "t",
        "longer": "t12",
        "with others": "t1 t2",
        "null": None,
        "a number": 1,
    }.items():
        yield vector(f"a required claim {what}", claims(tid=value), rules={"required_claims": {"tid": ("t1",)}})
    yield vector("a type that is not accepted", claims(), rules={"token_types": ("JWT",)})


# -- signatures -------------------------------------------------------------------------------------------------------

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ORDER_25519 = 2**252 + 27742317777372353535851937790883648493


def _ecdsa(message: bytes, change: Callable[[int, int, int], tuple[int, int]]) -> bytes:
    raw = get_default_algorithms()["ES256"].sign(message, private("EC", ""))
    r, s = change(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]), _ORDER)
    return r.to_bytes(32) + s.to_bytes(32)


def _der(message: bytes) -> bytes:
    raw = get_default_algorithms()["ES256"].sign(message, private("EC", ""))
    return encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))


def _eddsa(message: bytes, change: Callable[[bytes, int], bytes]) -> bytes:
    raw = private("OKP", "").sign(message)
    return change(raw[:32], int.from_bytes(raw[32:], "little"))


def signatures() -> Iterator[Vector]:
    curve: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
        "r and s zero": lambda r, s, n: (0, 0),
        "r zero": lambda r, s, n: (0, s),
        "s zero": lambda r, s, n: (r, 0),
        "r and s one": lambda r, s, n: (1, 1),
        "r and s the order": lambda r, s, n: (n, n),
        "r the order": lambda r, s, n: (n, s),
        "s the order": lambda r, s, n: (r, n),
        "r and s exchanged": lambda r, s, n: (s, r),
        "all ones": lambda r, s, n: (2**256 - 1, 2**256 - 1),
        "r negated": lambda r, s, n: (n - r, s),
        "s plus one": lambda r, s, n: (r, s + 1),
        "r zero, s one": lambda r, s, n: (0, 1),
        "r one, s zero": lambda r, s, n: (1, 0),
    }
    for what, change in curve.items():
        yield Vector(f"signature: ES256, {what}", resigned("ES256", lambda m, c=change: _ecdsa(m, c)), keys=(jwk(),))
    yield Vector("signature: ES256, as DER", resigned("ES256", _der), keys=(jwk(),))
    yield Vector("signature: ES256, as DER of 64 bytes", resigned("ES256", lambda m: _der(m)[:64]), keys=(jwk(),))
    yield Vector(
        "signature: ES256, r and s of 33 bytes",
        resigned("ES256", lambda m: _wide(_ecdsa(m, lambda r, s, n: (r, s)))),
        keys=(jwk(),),
    )
    p384 = resigned("ES256", lambda m: get_default_algorithms()["ES384"].sign(m, private("EC384", "")))
    yield Vector("signature: ES256, of another curve", p384, keys=(jwk(),))
    yield Vector(
        "signature: ES256 with SHA-512", resigned("ES256", lambda m: _of_hash(m, hashes.SHA512())), keys=(jwk(),)
    )
    yield Vector("signature: ES256 with SHA-1", resigned("ES256", lambda m: _of_hash(m, hashes.SHA1())), keys=(jwk(),))
    edwards: dict[str, Callable[[bytes, int], bytes]] = {
        "S plus the order": lambda r, s: r + (s + _ORDER_25519).to_bytes(32, "little"),
        "S the order": lambda r, s: r + _ORDER_25519.to_bytes(32, "little"),
        "S zero": lambda r, s: r + bytes(32),
        "R zero": lambda r, s: bytes(32) + s.to_bytes(32, "little"),
        "R the neutral point, S zero": lambda r, s: b"\1" + bytes(31) + bytes(32),
        "R with the other sign": lambda r, s: r[:31] + bytes([r[31] ^ 0x80]) + s.to_bytes(32, "little"),
        "63 bytes": lambda r, s: (r + s.to_bytes(32, "little"))[:63],
        "65 bytes": lambda r, s: r + s.to_bytes(32, "little") + b"\0",
        "all ones": lambda r, s: b"\xff" * 64,
    }
    for what, made in edwards.items():
        for alg in ("EdDSA", "Ed25519"):
            yield Vector(f"signature: {alg}, {what}", resigned(alg, lambda m, c=made: _eddsa(m, c)), keys=(jwk("OKP"),))
    modulus = private("RSA", "").public_key().public_numbers().n
    for alg in ("RS256", "PS256"):
        numbers = {"zero": 0, "one": 1, "the modulus": modulus, "the modulus less one": modulus - 1, "two": 2}
        for what, number in numbers.items():
            raw = number.to_bytes(256)
            yield Vector(f"signature: {alg}, {what}", resigned(alg, lambda m, r=raw: r), keys=(jwk("RSA"),))
        yield Vector(
            f"signature: {alg}, without its first byte",
            resigned(alg, lambda m, a=alg: get_default_algorithms()[a].sign(m, private("RSA", ""))[1:]),
            keys=(jwk("RSA"),),
        )
        yield Vector(f"signature: {alg}, by another key", signed(alg, name="other"), keys=(jwk("RSA"),))
        for other in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
            if other != alg:
                crossed = resigned(alg, lambda m, o=other: get_default_algorithms()[o].sign(m, private("RSA", "")))
                yield Vector(f"signature: {alg}, made by {other}", crossed, keys=(jwk("RSA"),))
    for salt in (0, 20, 64, 222):
        made_pss = resigned(
            "PS256",
            lambda m, s=salt: private("RSA", "").sign(
                m, padding.PSS(padding.MGF1(hashes.SHA256()), s), hashes.SHA256()
            ),
        )
        yield Vector(f"signature: PS256, a salt of {salt}", made_pss, keys=(jwk("RSA"),))
    mgf = resigned(
        "PS256", lambda m: private("RSA", "").sign(m, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())
    )
    yield Vector("signature: PS256, another mask", mgf, keys=(jwk("RSA"),))
    yield from _confusion()


def _wide(raw: bytes) -> bytes:
    return b"\0" + raw[:32] + b"\0" + raw[32:]


def _of_hash(message: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(private("EC", "").sign(message, ec.ECDSA(algorithm)))
    return r.to_bytes(32) + s.to_bytes(32)


def _confusion() -> Iterator[Vector]:
    """A public key used as a shared secret, in every form it is found in."""
    for kind, alg in (("RSA", "RS256"), ("EC", "ES256"), ("OKP", "EdDSA")):
        public = private(kind, "").public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        secrets = {
            "PEM": pem,
            "PEM stripped": pem.strip(),
            "DER": der,
            "JWK": json.dumps(jwk(kind)).encode(),
            "nothing": b"",
            "kid": b"k1",
        }
        for what, secret in secrets.items():
            for said in ("HS256", alg):
                header = json.dumps({"alg": said, "kid": "k1", "typ": "at+jwt"}).encode()
                message = encoded(header) + b"." + encoded(json.dumps(claims()).encode())
                forged = message + b"." + encoded(hmac.digest(secret, message, sha256))
                yield Vector(
                    f"confusion: {kind} as {what}, said to be {said}",
                    forged,
                    keys=(jwk(kind),),
                    rules={"algorithms": (*EVERY, "HS256")},
                )


# -- keys -------------------------------------------------------------------------------------------------------------


def keys() -> Iterator[Vector]:
    """Good tokens whose issuer publishes what must not be used."""
    bent: dict[str, dict[str, Any]] = {
        "use enc": {"use": "enc"},
        "use null": {"use": None},
        "use of another case": {"use": "SIG"},
        "use a list": {"use": ["sig"]},
        "key_ops sign": {"key_ops": ["sign"]},
        "key_ops encrypt": {"key_ops": ["encrypt"]},
        "key_ops empty": {"key_ops": []},
        "key_ops doubled": {"key_ops": ["verify", "verify"]},
        "key_ops a string": {"key_ops": "verify"},
        "key_ops null": {"key_ops": None},
        "alg null": {"alg": None},
        "alg none": {"alg": "none"},
        "alg HS256": {"alg": "HS256"},
        "alg for encryption": {"alg": "RSA-OAEP"},
        "kty missing": {"kty": None},
        "kty oct": {"kty": "oct"},
        "kty of another case": {"kty": "ec"},
        "private part": {"d": "AAAA"},
        "symmetric part": {"k": "AAAA"},
        "kid a number": {"kid": 1},
        "kid null": {"kid": None},
    }
    for alg, kind in KINDS.items():
        for what, change in bent.items():
            yield Vector(f"key: {alg}, {what}", signed(alg), keys=(jwk(kind) | change,))
        yield Vector(f"key: {alg}, twice", signed(alg), keys=(jwk(kind), jwk(kind)))
        yield Vector(
            f"key: {alg}, beside a secret", signed(alg), keys=(jwk(kind), {"kty": "oct", "kid": "s", "k": "c2VjcmV0"})
        )
        yield Vector(f"key: {alg}, of another kid", signed(alg), keys=(jwk(kind, kid="k2"),))
        yield Vector(
            f"key: {alg}, no kid said and two fit",
            signed(alg, header={"kid": ...}),
            keys=(jwk(kind), jwk(kind, "k2", "o")),
        )
        for member in ("x", "y", "n", "e"):
            text = jwk(kind).get(member)
            if text is not None:
                for what, value in {
                    "padded": text + "=",
                    "cut": text[:-4],
                    "missing": None,
                    "a number": 5,
                    "with a line break": text[:4] + "\n" + text[4:],
                }.items():
                    yield Vector(f"key: {alg}, {member} {what}", signed(alg), keys=(jwk(kind) | {member: value},))
    for curve in ("P-384", "P-521", "secp256k1", "p-256", "Ed25519", None, 5):
        yield Vector(f"key: ES256 on {curve}", signed("ES256"), keys=(jwk(crv=curve),))
    yield Vector("key: ES256, a point off the curve", signed("ES256"), keys=(jwk(y=jwk()["x"]),))
    yield Vector("key: ES256, the point at zero", signed("ES256"), keys=(jwk(x="A" * 43, y="A" * 43),))
    yield Vector("key: RS256, 1024 bits", token(kind="RSA1024"), keys=(jwk("RSA1024"),))
    for name, e in {"one": "AQ", "two": "Ag", "three": "Aw", "even": "AQAA", "zero": "AA"}.items():
        yield Vector(f"key: RS256, exponent {name}", signed("RS256"), keys=(jwk("RSA", e=e),))
    forged = _forged_with_exponent_one()
    yield Vector("key: RS256, exponent one and a made-up signature", forged, keys=(jwk("RSA", e="AQ"),))
    yield from _small_order()


def _forged_with_exponent_one() -> bytes:
    """With an exponent of one the padded digest is its own signature."""
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")

    def sign(message: bytes) -> bytes:
        tail = b"\0" + prefix + sha256(message).digest()
        return b"\0\1" + b"\xff" * (256 - 2 - len(tail)) + tail

    return resigned("RS256", sign)


def _small_order() -> Iterator[Vector]:
    """With such a point as the key, an S of zero and an R of small order pass the equation for many messages."""
    points = {
        "order 1": b"\1" + bytes(31),
        "order 2": ((2**255 - 20).to_bytes(32, "little")),
        "order 4": bytes(32),
        "order 4 with sign": bytes(31) + b"\x80",
        "order 8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        "order 8, the other": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        "order 1, misspelt": (2**255 - 18).to_bytes(32, "little"),
        "order 4, misspelt": (2**255 - 19).to_bytes(32, "little"),
    }
    for what, point in points.items():
        key = {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": encoded(point).decode()}
        for r in {b"\1" + bytes(31), point}:
            sent = resigned("EdDSA", lambda m, r=r: r + bytes(32))
            yield Vector(f"key: EdDSA, a point of {what}, R {r[:2].hex()}", sent, keys=(key,))


def vectors() -> Iterator[Vector]:
    yield from good()
    yield from forms()
    yield from headers()
    yield from claim_vectors()
    yield from signatures()
    yield from keys()
