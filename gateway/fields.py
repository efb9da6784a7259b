"""Header field names, judged once each: their lower case, the spelling we send, and which of them never cross.

A name is looked up in a table that remembers what was decided for it, so a request pays one dictionary read per field.
The tables are bounded: a client that invents names makes us decide again, never grow.

Must not know: values. The one subtle thing: heads are always re-serialised from what was understood, in canonical
spelling (``content-type`` -> ``Content-Type``); RFC 9110 section 5.1 makes names case-insensitive.
"""

from __future__ import annotations

Fields = list[tuple[bytes, bytes]]
"""Names in lower case, in the order received."""

REMEMBERED = 4096
"""Names kept per table."""

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade http2-settings".split()
)
"""RFC 9110 section 7.6.1, and what older peers treat alike. What ``Connection`` names is dropped per message."""

OURS_TO_SAY = frozenset(
    b"x-request-id traceparent tracestate forwarded x-real-ip x-client-ip x-cluster-client-ip true-client-ip "
    b"cf-connecting-ip fastly-client-ip client-cert client-cert-chain x-client-cert x-ssl-cert x-arr-clientcert".split()
)
"""Fields about the request that upstreams believe: only our own copies go there, and of certificates none."""

_OF_OTHER_GATEWAYS = frozenset(
    b"remote-user x-remote-user x-authenticated-userid x-authenticated-scope x-authenticated-groups x-consumer-id "
    b"x-consumer-custom-id x-consumer-username x-consumer-groups x-credential-identifier x-anonymous-consumer".split()
)
"""In which other gateways say who calls: an upstream that once stood behind one may believe them still."""

_OTHER_OPERATION = frozenset(b"x-http-method x-http-method-override x-method-override x-rewrite-url proxy".split())
"""With which frameworks take a request for another one than it is: what was judged must be what is done. ``Proxy``
becomes ``HTTP_PROXY`` where requests are made environments (CVE-2016-5385)."""

_FAMILIES = (
    b"weighbridge-",
    b"x-forwarded-",
    b"x-original-",
    b"x-auth-request-",
    b"x-ssl-client-",
    b"ssl-client-",
    b"x-ms-client-principal",
    b"x-amzn-oidc-",
    b"x-goog-authenticated-user-",
    b"x-goog-iap-jwt-",
    b"x-envoy-original-",
)
"""How names begin that belong to one of these kinds, each with all of its members."""

_CREDENTIALS = frozenset({b"authorization", b"x-api-key"})
_FRAMING = frozenset({b"host", b"content-length", b"expect"})
_OURS_TO_ANNOUNCE = frozenset(
    b"api-version x-request-id ratelimit ratelimit-policy deprecation sunset content-length".split()
)
_IDENTITY = b"weighbridge-"

_SPELLED = {b"etag": b"ETag", b"www-authenticate": b"WWW-Authenticate", b"content-md5": b"Content-MD5", b"dnt": b"DNT"}


def is_trusted(name: bytes) -> bool:
    """Do upstreams, or we, act on the word of this field? (`name` in lower case.)"""
    return (
        name in OURS_TO_SAY
        or name in HOP_BY_HOP
        or name in _CREDENTIALS
        or name in _FRAMING
        or name in _OF_OTHER_GATEWAYS
        or name in _OTHER_OPERATION
        or name.startswith(_FAMILIES)
    )


def spelled(name: bytes) -> bytes:
    """The spelling in which we send a lower-case name."""
    return _SPELLED.get(name) or b"-".join(word.capitalize() for word in name.split(b"-"))


_SEPARATED = bytes(byte if chr(byte).isalnum() and byte < 0x80 else 0x2D for byte in range(256))


class _Table(dict[bytes, bytes]):
    def __missing__(self, name: bytes) -> bytes:
        decided = self.decide(name)
        if len(self) < REMEMBERED:
            self[name] = decided
        return decided

    def decide(self, name: bytes) -> bytes:
        raise NotImplementedError


class _Lower(_Table):
    def decide(self, name: bytes) -> bytes:
        return name.lower()


class _Imitations(_Table):
    def decide(self, name: bytes) -> bytes:
        alike = name.translate(_SEPARATED)
        return alike if alike != name and is_trusted(alike) else b""


class _ToUpstream(_Table):
    def decide(self, name: bytes) -> bytes:
        return b"" if is_trusted(name) else spelled(name) + b": "


class _ToClient(_Table):
    def decide(self, name: bytes) -> bytes:
        if name in HOP_BY_HOP or name in _OURS_TO_ANNOUNCE or name.startswith(_IDENTITY):
            return b""
        return spelled(name) + b": "


LOWER = _Lower()
"""Any spelling -> lower case."""
IMITATED = _Imitations()
"""Lower-case name -> the trusted one that it differs from in its separators only, or ``b""``: servers that hand on
fields as variables (CGI, WSGI) make one name of both."""
TO_UPSTREAM = _ToUpstream()
"""Lower-case name -> ``b"Name: "`` as sent upstream, or ``b""`` when the field does not cross."""
TO_CLIENT = _ToClient()
"""Lower-case name -> ``b"Name: "`` as sent to the client, or ``b""`` when the field does not cross."""


def tokens(value: bytes) -> frozenset[bytes]:
    """The members of a comma-separated list, in lower case."""
    return frozenset(token.strip(b" \t").lower() for token in value.split(b",")) - {b""}


def safe_value(text: str) -> bytes:
    """A field value that cannot end its line: control characters and what latin-1 lacks become ``?``."""
    return text.encode("latin-1", "replace").translate(_SAFE)


_SAFE = bytes(byte if byte >= 0x20 and byte != 0x7F else 0x3F for byte in range(256))
