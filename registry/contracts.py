"""Registering contracts: who owns one, where it is served, which rules judge it. Versions: `registry.publishing`."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from policies import outgoing, rulesets
from policies.model.contract import Contact, Contract, SiteParameter, Upstream
from policies.subscribing import OVER
from registry import operators, permissions
from registry.audit import Actor, Saved, record
from registry.errors import Conflict, Invalid
from registry.names import require_slug, require_text, require_token
from registry.store import Unit

_LONGEST_TIMEOUT = 3600.0
_LARGEST_BODY = 100 * 1024 * 1024
_MOST_CONCURRENT = 100_000
_ANYWHERE = outgoing.Networks.parse("public,private,loopback,0.0.0.0/0,::/0")
"""But never metadata services and the like. What a name means, and what is narrower, each gateway judges for itself."""
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")


def register_contract(
    unit: Unit, actor: Actor, contract: Contract, *, dry_run: bool = False, now: int
) -> Saved[Contract]:
    """Create or replace a contract. Members may register for their own team and change what their team owns.

    Raises `Invalid` (name, owner, ruleset, upstreams, sites, limits), `Conflict` (it would become internal while
    partners are subscribed), `Forbidden`.
    """
    _require_sound(contract)
    before = unit.contracts.get(contract.name)
    if before is not None:
        permissions.contract(unit, actor, "put_contract", f"change {contract.name}", contract.name)
    doing = f"register contracts owned by {contract.owner}"
    permissions.require(actor, "put_contract", doing, permissions.of_contract(contract))
    if unit.teams.get(contract.owner) is None:
        raise Invalid("/owner", f"there is no team {contract.owner!r}")
    if before == contract:
        return Saved(contract, created=False, changed=False)
    if before is not None and before.audience == "partner" and contract.audience == "internal":
        _require_no_partners(unit, contract.name)
    if not dry_run:
        unit.contracts.put(contract)
        subject = f"contracts/{contract.name}"
        record(unit, actor, "contract.register", subject, before=before, after=contract, now=now)
        if before is not None and before.owner != contract.owner:
            reason = f"{contract.name} belongs to {contract.owner} now"
            operators.revoke_robots(unit, actor, contract.name, reason=reason, now=now)
    return Saved(contract, created=before is None, changed=True)


def delete_contract(unit: Unit, actor: Actor, name: str, *, dry_run: bool = False, now: int) -> None:
    """Raises `Conflict` while the contract has any version: what was published is never forgotten."""
    before = permissions.contract(unit, actor, "delete_contract", f"delete {name}", name)
    if count := unit.versions.count(contract=name):
        raise Conflict(f"{name} has {count} versions; a contract with versions is never deleted")
    if dry_run:
        return
    for waiver in unit.waivers.all(contract=name):
        unit.waivers.delete(waiver.id)
    unit.contracts.delete(name)
    record(unit, actor, "contract.delete", f"contracts/{name}", before=before, now=now)
    operators.revoke_robots(unit, actor, name, reason=f"{name} is deleted", now=now)


def _require_no_partners(unit: Unit, name: str) -> None:
    partners = {consumer.id for consumer in unit.consumers.all() if consumer.audience == "partner"}
    subscriptions = unit.subscriptions.all(contract=name)
    subscribed = {entry.application for entry in subscriptions if entry.state not in OVER}
    held = [entry.id for entry in unit.applications.all() if entry.id in subscribed and entry.consumer in partners]
    if held:
        raise Conflict(f"partners are subscribed to {name} ({', '.join(held[:5])}); it cannot become internal")


def _require_sound(contract: Contract) -> None:
    require_slug(contract.name, "/name", "the name of a contract")
    if contract.name in ("healthz", "readyz", "metrics"):
        raise Invalid("/name", f"{contract.name} is an address of the gateway itself")
    require_text(contract.title, "/title", "the title", longest=200)
    require_text(contract.description, "/description", "the description", longest=10_000, empty=True)
    if contract.ruleset not in rulesets.names():
        known = ", ".join(rulesets.names())
        raise Invalid("/ruleset", f"there is no ruleset {contract.ruleset!r}; there are {known}")
    for index, contact in enumerate(contract.contacts):
        _require_sound_contact(contact, f"/contacts/{index}")
    if contract.default_major is not None:
        _require_major(contract.default_major, "/default_major")
    if contract.site is not None:
        _require_sound_site(contract.site, "/site")
    for key, site in contract.site_by_major.items():
        if not key.isascii() or not key.isdecimal():
            raise Invalid("/site_by_major", f"{key!r} is not a major such as '1'")
        _require_major(int(key) if len(key) < 10 else -1, f"/site_by_major/{key}")
        if site is not None:
            _require_sound_site(site, f"/site_by_major/{key}")
    for name, upstream in contract.upstreams.items():
        require_token(name, "/upstreams", "a site", longest=64)
        if "/" in name:
            raise Invalid("/upstreams", f"{name!r} is not a site: it holds a slash")
        require_sound_upstream(upstream, f"/upstreams/{name}")
    if not 1 <= contract.max_body_bytes <= _LARGEST_BODY:
        raise Invalid("/max_body_bytes", f"a body holds 1 to {_LARGEST_BODY} bytes")
    for index, extension in enumerate(contract.internal_extensions):
        require_token(extension, f"/internal_extensions/{index}", "the name of an extension", longest=64)
        if not extension.startswith("x-"):
            raise Invalid(f"/internal_extensions/{index}", f"{extension!r} is no extension: their names begin with x-")


def _require_sound_contact(contact: Contact, pointer: str) -> None:
    """The address becomes a link, in pages and in headers: nothing but the web and mail."""
    require_text(contact.name, f"{pointer}/name", "the name of a contact", longest=200)
    if contact.email is not None and not _MAIL.fullmatch(contact.email):
        raise Invalid(f"{pointer}/email", "is not a mail address such as desk@example.com")
    if contact.url is None or (contact.url.startswith("mailto:") and _MAIL.fullmatch(contact.url[7:])):
        return
    require_token(contact.url, f"{pointer}/url", "the address of a contact", longest=500)
    try:
        outgoing.target(contact.url.partition("#")[0])
    except outgoing.UnsafeAddress:
        raise Invalid(f"{pointer}/url", "is neither an http or https address nor mailto:") from None
    if not set(contact.url).isdisjoint('<>"^`{|}'):
        raise Invalid(f"{pointer}/url", "holds a character that no link has")


def _require_major(major: int, pointer: str) -> None:
    if not 0 <= major <= 999_999:
        raise Invalid(pointer, "a major is a number such as 2")


def _require_sound_site(site: SiteParameter, pointer: str) -> None:
    require_token(site.name, f"{pointer}/name", "the name of the parameter")
    for alias, target in site.aliases.items():
        require_token(alias, f"{pointer}/aliases", "an alias of a site", longest=64)
        require_token(target, f"{pointer}/aliases/{alias}", "a site", longest=64)


def require_sound_upstream(upstream: Upstream, pointer: str) -> None:
    """Raises `Invalid` for an address a gateway could not use, or limits that make no sense."""
    require_token(upstream.url, f"{pointer}/url", "the address of an upstream", longest=500)
    try:
        place = outgoing.target(upstream.url)
    except outgoing.UnsafeAddress as unsafe:
        told = "an upstream is an http or https address such as http://stock.example:8080/v{major}"
        raise Invalid(f"{pointer}/url", f"{told}; this one {unsafe}") from None
    refusal = None if place.address is None else _ANYWHERE.refuses(place.address)
    if refusal is not None:
        raise Invalid(f"{pointer}/url", refusal)
    parts = urlsplit(upstream.url)
    if "?" in upstream.url:
        raise Invalid(f"{pointer}/url", "carries no query")
    if any(brace in parts.path.replace("{major}", "") for brace in "{}") or any(b in parts.netloc for b in "{}"):
        raise Invalid(f"{pointer}/url", "the only placeholder is {major}, in the path")
    for name in ("connect_timeout", "first_byte_timeout", "total_timeout"):
        if not 0 < getattr(upstream, name) <= _LONGEST_TIMEOUT:
            raise Invalid(f"{pointer}/{name}", f"is more than 0 and at most {_LONGEST_TIMEOUT:.0f} seconds")
    if not 1 <= upstream.max_concurrent <= _MOST_CONCURRENT:
        raise Invalid(f"{pointer}/max_concurrent", f"is 1 to {_MOST_CONCURRENT}")
