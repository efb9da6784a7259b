"""Client certificates: whose they are, and every way in which they are nobody's."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from policies.model.access import Certificate, Plan, TrustAnchor
from policies.traffic import Exchange, Problem
from policies.traffic.authenticate_callers import Callers
from policies.traffic.authenticate_certificate import FORWARDED, Certificates, Presented
from policies.traffic.authenticate_credentials import Credentials, authenticate_credentials
from tests.certificates import CLIENT, SERVER, Made, authority, made
from tests.unit.policies.traffic.facts import NOW, application, document, exchange, facts

SINCE, UNTIL = datetime.fromtimestamp(NOW - 1000, UTC), datetime.fromtimestamp(NOW + 1000, UTC)
LONG = {"since": datetime.fromtimestamp(NOW - 10_000, UTC), "until": datetime.fromtimestamp(NOW + 10_000, UTC)}
DATES: dict[str, Any] = {"since": SINCE, "until": UNTIL}
DN = "CN=edi-bridge,O=Oakhurst"


def ca(subject: str = "CN=Oakhurst CA", issuer: Made | None = None, **more: Any) -> Made:
    return authority(subject, issuer, **(LONG | more))


def leaf(issuer: Made | None, subject: str = DN, **more: Any) -> Made:
    return made(subject, issuer, **(DATES | more))


CA = ca()
LEAF = leaf(CA, dns=("EDI.oakhurst.example",), uris=("spiffe://oakhurst/edi",))
OWN = leaf(None, "CN=own")


def pinned(of: Made, id_: str = "pin", **more: Any) -> Certificate:
    return Certificate(**({"id": id_, "application": "app", "der": of.text} | more))


def named(kind: str = "subject_dn", name: str = DN, **more: Any) -> Certificate:
    fields = {"id": "named", "application": "app", "anchor": "oakhurst", "kind": kind, "name": name}
    return Certificate(**(fields | more))


def anchor(*authorities: Made, name: str = "oakhurst") -> TrustAnchor:
    return TrustAnchor(name=name, certificates=tuple(made.text for made in authorities))


def known(*certificates: Certificate, anchors: tuple[TrustAnchor, ...] = (anchor(CA),)) -> Certificates:
    callers = Callers([application(scopes=("a",)), application("other")], [Plan(name="plan")])
    return Certificates(certificates, anchors, callers)


def shown(of: Made, *chain: Made) -> Presented:
    return Presented(of.der, [link.der for link in chain])


def judged(judge: Certificates, presented: Presented, now: float = NOW) -> tuple[Problem | None, Exchange]:
    asked = exchange(now=now)
    return judge.judge(asked, presented), asked


def who(judge: Certificates, presented: Presented, now: float = NOW) -> str | None:
    """The credential that was recognised, or how it was refused."""
    problem, asked = judged(judge, presented, now)
    if problem is not None:
        assert (problem.status, problem.slug) == (401, "credentials-invalid")
        assert asked.caller is None
        assert judge.application(presented, now) is None
        return problem.detail
    assert asked.certified == (asked.caller and asked.caller.application.id) == judge.application(presented, now)
    return asked.caller and asked.caller.credential


# -- by thumbprint ----------------------------------------------------------------------------------------------------


def test_a_registered_certificate_speaks_with_all_scopes_of_its_application() -> None:
    problem, asked = judged(known(pinned(OWN)), shown(OWN))
    assert problem is None
    assert asked.caller is not None
    assert (asked.caller.application.id, asked.caller.credential, asked.caller.scopes) == ("app", "pin", {"a"})
    assert asked.caller.expires_at == NOW + 1001
    assert asked.certified == "app"


def test_another_certificate_is_nobodys_whatever_it_says() -> None:
    judge = known(pinned(OWN))
    twin = leaf(None, "CN=own")
    again = leaf(None, "CN=own", key=OWN.key)
    assert [who(judge, shown(of)) for of in (twin, again, LEAF)] == [None, None, None]


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (NOW - 1001, "The client certificate is not valid yet."),
        (NOW - 1000, "pin"),
        (NOW + 1000, "pin"),
        (NOW + 1001, "The client certificate, or its registration, has expired."),
    ],
)
def test_its_dates_are_looked_at_on_every_use(now: float, told: str) -> None:
    presented, judge = shown(OWN), known(pinned(OWN))
    assert who(judge, presented, NOW) == "pin"  # remembering it must not lengthen its life
    assert who(judge, presented, now) == told
    assert who(judge, shown(OWN), now) == told


def test_a_registration_may_end_before_the_certificate() -> None:
    judge = known(pinned(OWN, expires_at=int(NOW) + 5))
    assert who(judge, shown(OWN), NOW + 4) == "pin"
    assert who(judge, shown(OWN), NOW + 5) == "The client certificate, or its registration, has expired."


def test_two_registrations_of_one_application_last_as_long_as_the_longer() -> None:
    judge = known(pinned(OWN, "short", expires_at=int(NOW) + 5), pinned(OWN, "long"))
    assert who(judge, shown(OWN), NOW + 6) == "long"


def test_a_certificate_for_servers_is_none_for_clients() -> None:
    server, both = leaf(None, usage=(SERVER,)), leaf(None, usage=(SERVER, CLIENT))
    refused = "The client certificate cannot be read, or is not one for clients."
    assert who(known(pinned(server)), shown(server)) == refused
    assert who(known(pinned(both)), shown(both)) == "pin"


def test_what_one_snapshot_said_is_not_believed_by_the_next() -> None:
    presented = shown(OWN)
    assert who(known(pinned(OWN)), presented) == "pin"
    assert who(known(), presented) is None
    assert who(known(pinned(OWN, "new")), presented) == "new"


def test_it_is_worked_out_once_per_connection_and_snapshot() -> None:
    presented, judge = shown(LEAF), known(named())
    first = judged(judge, presented)[1].caller
    assert first is not None
    assert judged(judge, presented)[1].caller is first


# -- by authority and name --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("subject_dn", DN),
        ("san_dns", "edi.oakhurst.example"),
        ("san_uri", "spiffe://oakhurst/edi"),
    ],
)
def test_a_name_counts_from_the_authority_it_was_registered_with(kind: str, name: str) -> None:
    judge = known(named(kind, name))
    assert who(judge, shown(LEAF)) == "named"
    impostor = leaf(ca(), dns=("edi.oakhurst.example",), uris=("spiffe://oakhurst/edi",))
    assert who(judge, shown(impostor)) is None, "another authority of the same name"
    assert who(judge, shown(leaf(None, dns=("edi.oakhurst.example",)))) is None, "nobody's signature"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("subject_dn", "CN=edi-bridge"),
        ("subject_dn", "O=Oakhurst,CN=edi-bridge"),
        ("subject_dn", "CN=EDI-bridge,O=Oakhurst"),
        ("san_dns", "oakhurst.example"),
        ("san_dns", "xedi.oakhurst.example"),
        ("san_uri", "spiffe://oakhurst/edi/"),
        ("san_uri", "edi.oakhurst.example"),
    ],
)
def test_names_are_compared_whole(kind: str, name: str) -> None:
    assert who(known(named(kind, name)), shown(LEAF)) is None


def test_a_wildcard_in_a_certificate_is_a_name_like_any_other() -> None:
    judge = known(named("san_dns", "edi.oakhurst.example"))
    assert who(judge, shown(leaf(CA, dns=("*.oakhurst.example",)))) is None


def test_a_comma_in_a_name_is_no_separator() -> None:
    assert who(known(named("subject_dn", DN)), shown(leaf(CA, "CN=edi-bridge\\,O=Oakhurst"))) is None


def test_two_authorities_of_one_name_are_two_authorities() -> None:
    second = ca()
    judge = known(
        named(application="app"),
        named(id="second", application="other", anchor="second"),
        anchors=(anchor(CA), anchor(second, name="second")),
    )
    assert who(judge, shown(LEAF)) == "named"
    assert who(judge, shown(leaf(second))) == "second"
    judge = known(named(), anchors=(anchor(CA), anchor(second, name="second")))
    assert who(judge, shown(leaf(second))) is None, "trusted, but not for this name"


def test_several_names_of_several_applications_speak_for_none() -> None:
    both = leaf(CA, dns=("a.example", "b.example"))
    names = named("san_dns", "a.example"), named("san_dns", "b.example", id="b", application="other")
    assert who(known(*names), shown(both)) == "The client certificate bears the names of several applications."
    same = names[0], named("san_dns", "b.example", id="b")
    assert who(known(*same), shown(both)) in ("named", "b")


def test_a_registered_certificate_wins_over_its_name() -> None:
    judge = known(named(application="other"), pinned(LEAF))
    assert who(judge, shown(LEAF)) == "pin"


def test_intermediates_come_with_the_certificate() -> None:
    middle = ca("CN=Issuing", CA)
    client = leaf(middle)
    judge = known(named())
    assert who(judge, shown(client, middle)) == "named"
    assert who(judge, shown(client)) is None
    assert who(known(named(), anchors=(anchor(middle),)), shown(client)) == "named"


def test_a_chain_is_as_old_as_its_oldest_link() -> None:
    middle = ca("CN=Issuing", CA, until=datetime.fromtimestamp(NOW + 10, UTC))
    presented, judge = shown(leaf(middle), middle), known(named())
    assert who(judge, presented, NOW + 10) == "named"
    assert who(judge, presented, NOW + 11) == "The client certificate, or its registration, has expired."
    assert who(judge, shown(leaf(middle), middle), NOW + 11) is None


def test_who_may_not_issue_cannot_lead_to_an_authority() -> None:
    judge = known(named())
    for bad in (
        leaf(CA, "CN=bridge", ca=False),
        leaf(CA, "CN=bridge"),
        ca("CN=bridge", CA, more=(x509.KeyUsage(True, *[False] * 8),)),
        ca("CN=bridge", CA, until=datetime.fromtimestamp(NOW - 1, UTC)),
    ):
        assert who(judge, shown(leaf(bad), bad)) is None, bad.certificate.extensions


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage": (SERVER,)},
        {"until": datetime.fromtimestamp(NOW - 1, UTC)},
        {"since": datetime.fromtimestamp(NOW + 1, UTC)},
        {"ca": True},
        {"more": (x509.KeyUsage(False, False, True, *[False] * 6),)},
        {"more": (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x"),)},
    ],
)
def test_what_its_authority_did_not_issue_for_clients_today(wrong: dict[str, Any]) -> None:
    assert who(known(named()), shown(leaf(CA, **wrong))) is None


def test_an_authority_is_no_client() -> None:
    judge = known(named(name="CN=Oakhurst CA"))
    assert who(judge, shown(CA)) is None


def test_a_certificate_that_is_not_valid_yet_becomes_valid() -> None:
    presented, judge = shown(LEAF), known(named())
    assert who(judge, presented, NOW - 1001) is None
    assert who(judge, presented, NOW) == "named"


def test_a_huge_chain_costs_little() -> None:
    links = [ca(f"CN=link {n}", CA) for n in range(3)] * 100
    assert len(shown(LEAF, *links).intermediates) == 8
    assert who(known(named()), shown(LEAF, *links)) == "named"


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x01", LEAF.der[:-1], LEAF.der + b"\0"])
def test_what_cannot_be_read(der: bytes) -> None:
    told = "The client certificate cannot be read, or is not one for clients."
    assert who(known(named()), Presented(der)) == told


# -- told by a proxy --------------------------------------------------------------------------------------------------


def field(of: Made) -> bytes:
    return b":" + b64encode(of.der) + b":"


def asked(*headers: tuple[bytes, bytes], judge: Certificates) -> tuple[object, Exchange]:
    made = exchange(headers=list(headers))
    made.certificate = FORWARDED
    return Credentials(Keys(), Keys(), judge).identify(made), made


class Keys:
    def judge(self, exchange: Exchange, credential: bytes) -> Problem | None:
        raise AssertionError("no key was sent")


def test_a_trusted_proxy_tells_the_certificate_and_its_chain() -> None:
    middle = ca("CN=Issuing", CA)
    client = leaf(middle)
    for chain in (
        [(b"client-cert-chain", field(middle) + b", " + field(CA))],
        [(b"client-cert-chain", field(middle)), (b"client-cert-chain", field(CA))],
    ):
        outcome, made = asked((b"client-cert", field(client)), *chain, judge=known(named()))
        assert outcome is None
        assert made.caller is not None
        assert made.caller.credential == "named"
        assert made.certificate.der == client.der
    outcome, made = asked(judge=known(named()))
    assert (outcome, made.caller, made.certificate) == (None, None, None)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"client-cert", field(LEAF)), (b"client-cert", field(LEAF))],
        [(b"client-cert", field(LEAF) + b", " + field(LEAF))],
        [(b"client-cert", field(LEAF) + b";a=1")],
        [(b"client-cert", field(LEAF)[1:-1])],
        [(b"client-cert", b"::")],
        [(b"client-cert", b"")],
        [(b"client-cert", b":AAAA:")],
        [(b"client-cert", b":" + b64encode(LEAF.der + b"\0") + b":")],
        [(b"client-cert", b":QQ:")],
        [(b"client-cert", LEAF.pem.replace("\n", "%0A").encode())],
        [(b"client-cert-chain", field(CA))],
        [(b"client-cert", field(LEAF)), (b"client-cert-chain", b"")],
        [(b"client-cert", field(LEAF)), (b"client-cert-chain", b",".join([field(CA)] * 9))],
        [(b"client-cert", field(LEAF)), (b"client-cert-chain", field(CA) + b",x")],
    ],
)
def test_what_a_proxy_must_not_tell(headers: list[tuple[bytes, bytes]]) -> None:
    outcome, made = asked(*headers, judge=known(named()))
    assert isinstance(outcome, Problem)
    assert (outcome.status, outcome.slug) == (400, "bad-request")
    assert made.caller is None


def test_unused_bits_are_no_second_spelling() -> None:
    padded = next(of for of in (leaf(CA, f"CN={'x' * n}") for n in range(1, 40)) if field(of).endswith(b"=:"))
    text = field(padded)
    place = len(text.rstrip(b"=:")) - 1
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(text[place]) + 1 : alphabet.index(text[place]) + 2]
    outcome, _ = asked((b"client-cert", text[:place] + other + text[place + 1 :]), judge=known(named()))
    assert isinstance(outcome, Problem)


# -- beside other credentials -----------------------------------------------------------------------------------------


def test_a_certificate_of_nobody_is_no_credential() -> None:
    made = exchange()
    made.certificate = shown(leaf(None))
    assert Credentials(Keys(), Keys(), known(named())).identify(made) is None
    needed = authenticate_credentials(facts(document({})))
    assert needed is not None
    refusal = needed.decide(made)
    assert isinstance(refusal, Problem)
    assert (refusal.status, refusal.slug) == (401, "credentials-missing")
    assert refusal.detail == "The client certificate belongs to no application here, and nothing else was sent."


def test_a_key_that_comes_with_it_says_who_calls() -> None:
    class Takes:
        def judge(self, exchange: Exchange, credential: bytes) -> Problem | None:
            return None

    for of, certified in ((LEAF, "app"), (OWN, None)):
        made = exchange(headers=[(b"x-api-key", b"k")])
        made.certificate = shown(of)
        assert Credentials(Takes(), Keys(), known(named())).identify(made) is None
        assert (made.caller, made.certified) == (None, certified)
