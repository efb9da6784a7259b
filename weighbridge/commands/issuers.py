"""Foreign issuers: whose tokens are believed, and which of their callers speaks for which application."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from weighbridge.commands import DryRun, FormatOption
from weighbridge.commands.access import Application, apps
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table

Name = Annotated[str, typer.Argument(metavar="ISSUER", help="Its name here, such as entra.")]

issuers = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(issuers, name="issuers", help="Whose tokens are believed, and what their claims mean.")


@issuers.command("list")
def list_issuers(format: FormatOption = Format.TEXT) -> int:
    """List who may sign tokens."""
    items = list(_client().items("/v1/issuers"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("issuer", "iss", "audience", "caller", "scopes"),
            ((i["name"], i["issuer"], _audiences(i), i["subject_claim"], _scope_claims(i)) for i in items),
            empty="no issuers yet: weighbridge issuers add NAME --audience AUDIENCE --discover URL",
        )
    return Exit.OK


@issuers.command("show")
def show(issuer: Name, format: FormatOption = Format.TEXT) -> int:
    """Show one issuer with its rules."""
    held = _client().get(f"/v1/issuers/{issuer}")
    if format is Format.JSON:
        say_json(held)
    else:
        _tell(held)
    return Exit.OK


@issuers.command("add")
def add(
    issuer: Name,
    audience: Annotated[
        list[str], typer.Option(help="What tokens must be meant for: your API's id at the issuer; repeat for more.")
    ],
    preset: Annotated[str, typer.Option(help="entra, entra-v1, keycloak, auth0, okta or oidc.")] = "oidc",
    tenant: Annotated[str | None, typer.Option(help="entra: the tenant's id.")] = None,
    domain: Annotated[str | None, typer.Option(help="auth0: the tenant's domain.")] = None,
    url: Annotated[str | None, typer.Option(help="keycloak: the server; okta, oidc: the issuer.")] = None,
    realm: Annotated[str | None, typer.Option(help="keycloak: the realm.")] = None,
    discover: Annotated[
        str | None, typer.Option(metavar="URL", help="Have the registry read issuer, keys and algorithms there.")
    ] = None,
    jwks_uri: Annotated[str | None, typer.Option(help="Where its keys are, where that is not discovered.")] = None,
    algorithm: Annotated[list[str] | None, typer.Option(help="Instead of the preset's; repeat for more.")] = None,
    subject_claim: Annotated[str | None, typer.Option(help="The claim that says who calls.")] = None,
    scope_claim: Annotated[
        list[str] | None, typer.Option(help="A claim that holds scopes, or a pointer to one; repeat for more.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="THEIRS=OURS", help="A scope in both words; only these count then.")
    ] = None,
    site_claim: Annotated[str | None, typer.Option(help="The claim that limits a token to sites.")] = None,
    site: Annotated[
        list[str] | None, typer.Option(metavar="THEIRS=OURS", help="A site in both words; only these count then.")
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="CLAIM=VALUE", help="What a token must say; repeat for more.")
    ] = None,
    max_lifetime: Annotated[int | None, typer.Option(help="Seconds that a token may live.")] = None,
    leeway: Annotated[int | None, typer.Option(help="Seconds by which clocks may differ.")] = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Believe a foreign issuer's tokens, or change what of them."""
    from weighbridge.issuer_presets import body_of

    client = _client()
    found = None if discover is None else client.post("/v1/issuer-metadata", {"url": discover})
    words = {"tenant": tenant, "domain": domain, "url": url, "realm": realm}
    if found is not None and preset == "oidc" and url is None:
        words["url"] = found["issuer"]
    body = body_of(preset, words)
    if found is not None:
        if body["issuer"] != found["issuer"]:
            raise CommandError(
                f"{discover} is {found['issuer']}, and what was asked for is {body['issuer']}", code=Exit.REFUSED
            )
        body |= {"jwks_uri": found["jwks_uri"], "algorithms": found["algorithms"]}
    body |= {"audience": audience[0], "audiences": audience[1:]}
    given: dict[str, Any] = {
        "jwks_uri": jwks_uri,
        "algorithms": algorithm or None,
        "subject_claim": subject_claim,
        "site_claim": site_claim,
        "max_lifetime": max_lifetime,
        "leeway": leeway,
    }
    body |= {name: value for name, value in given.items() if value is not None}
    if scope_claim:
        body |= {"scope_claim": scope_claim[0], "scope_claims": scope_claim[1:]}
    if "jwks_uri" not in body:
        raise CommandError("where are its keys? Say --discover URL, or --jwks-uri")
    body |= {"scope_map": _pairs(scope, "--scope"), "site_map": _pairs(site, "--site")}
    body["required_claims"] = body.get("required_claims", {}) | _pairs(require, "--require")
    held = client.put(f"/v1/issuers/{issuer}", body, dry_run=dry_run)
    if format is Format.JSON:
        say_json(held)
        return Exit.OK
    _tell(held)
    if dry_run:
        out.print("nothing was changed", style="dim")
    else:
        out.print(f"next: weighbridge apps subject APPLICATION --issuer {issuer} --subject CALLER", style="dim")
    return Exit.OK


@issuers.command("discover")
def discover(
    url: Annotated[str, typer.Argument(metavar="URL", help="The issuer, or the address of its metadata.")],
    format: FormatOption = Format.TEXT,
) -> int:
    """Read what an issuer says of itself. With the registry's eyes; changes nothing."""
    found = _client().post("/v1/issuer-metadata", {"url": url})
    if format is Format.JSON:
        say_json(found)
        return Exit.OK
    out.print(f"issuer      {found['issuer']}", markup=False)
    out.print(f"keys        {found['jwks_uri']}", markup=False)
    out.print(f"algorithms  {', '.join(found['algorithms'])}", markup=False)
    out.print(f"kids        {', '.join(found['kids'])}", markup=False)
    return Exit.OK


@issuers.command("remove")
def remove(issuer: Name, dry_run: DryRun = False, format: FormatOption = Format.TEXT) -> int:
    """Believe its tokens no longer. Refused while a credential that is not revoked names it."""
    _client().delete(f"/v1/issuers/{issuer}", dry_run=dry_run)
    if format is Format.JSON:
        say_json({"issuer": issuer, "removed": not dry_run})
    else:
        out.print(f"{'would remove' if dry_run else 'removed'} {issuer}", markup=False)
    return Exit.OK


@apps.command("subject")
def subject(
    application: Application,
    issuer: Annotated[str, typer.Option(help="The issuer's name here.")],
    subject: Annotated[str, typer.Option(help="What its tokens say in the subject claim, such as a client's id.")],
    label: Annotated[str, typer.Option(help="What this one is for.")] = "",
    format: FormatOption = Format.TEXT,
) -> int:
    """Let a caller of a foreign issuer speak for an application."""
    body = {"kind": "subject", "issuer": issuer, "subject": subject} | ({"label": label} if label else {})
    created = _client().post(f"/v1/applications/{application}/credentials", body)
    if format is Format.JSON:
        say_json(created)
    else:
        out.print(f"tokens of {issuer} for {subject} speak for {application}", markup=False)
    return Exit.OK


def _pairs(given: list[str] | None, option: str) -> dict[str, list[str]]:
    """``a=b`` -> ``{"a": ["b"]}``; the last equals sign parts, for claims may be addresses."""
    pairs: dict[str, list[str]] = {}
    for text in given or ():
        theirs, equals, ours = text.rpartition("=")
        if not theirs or not equals or not ours:
            raise CommandError(f"{option} {text!r} is not two words with = between them")
        pairs.setdefault(theirs, []).append(ours)
    return pairs


def _tell(held: dict[str, Any]) -> None:
    lines = {
        "issuer": held["issuer"],
        "audience": _audiences(held),
        "keys": held.get("jwks_uri") or "embedded",
        "algorithms": ", ".join(held["algorithms"]),
        "caller": held["subject_claim"],
        "scopes": _scope_claims(held) + _mapped(held.get("scope_map")),
        "sites": (held.get("site_claim") or "the application's") + _mapped(held.get("site_map")),
        "requires": ", ".join(f"{name} = {' or '.join(v)}" for name, v in (held.get("required_claims") or {}).items()),
        "lifetime": f"at most {held['max_lifetime']} s" if held.get("max_lifetime") else "",
    }
    for name, value in lines.items():
        if value:
            out.print(f"{name:<11} {value}", markup=False, highlight=False)


def _audiences(held: dict[str, Any]) -> str:
    return ", ".join([held["audience"], *(held.get("audiences") or ())])


def _scope_claims(held: dict[str, Any]) -> str:
    return " and ".join([held["scope_claim"], *(held.get("scope_claims") or ())])


def _mapped(known: dict[str, list[str]] | None) -> str:
    return "".join(f"; {theirs} is {' and '.join(ours)}" for theirs, ours in (known or {}).items())


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()
