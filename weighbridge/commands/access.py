"""Applications and their credentials: who may call, with what, on which plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.commands import DryRun, FormatOption, major_of
from weighbridge.commands.contracts import day, minute
from weighbridge.commands.keys import read_public_key
from weighbridge.commands.subscribing import terms_of
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table

Application = Annotated[str, typer.Argument(metavar="APPLICATION")]
Label = Annotated[str, typer.Option(help="What it is for, for whoever lists it.")]
Expires = Annotated[str | None, typer.Option(help="Day or instant of its end, e.g. 2027-06-30; by default none.")]

apps = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(apps, name="apps", help="Applications, their credentials and subscriptions.")
    app.command()(token)


@apps.command("list")
def list_apps(format: FormatOption = Format.TEXT) -> int:
    """List the applications."""
    items = list(_client().items("/v1/applications"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("application", "consumer", "sites", "scopes"),
            ((a["id"], a["consumer"], "all" if a.get("sites") is None else a["sites"], a["scopes"]) for a in items),
            empty="no applications yet: weighbridge apps create NAME --consumer CONSUMER",
        )
    return Exit.OK


@apps.command("show")
def show(application: Application, format: FormatOption = Format.TEXT) -> int:
    """Show one application with its subscriptions and credentials."""
    client = _client()
    held = client.get(f"/v1/applications/{application}")
    credentials = list(client.items(f"/v1/applications/{application}/credentials"))
    subscriptions = list(client.items("/v1/subscriptions", application=application))
    if format is Format.JSON:
        say_json({**held, "credentials": credentials, "subscriptions": subscriptions})
        return Exit.OK
    out.print(f"[bold]{held['id']}[/]  {held.get('name', '')}  (consumer {held['consumer']})")
    out.print(f"sites   {'all' if held.get('sites') is None else ', '.join(held['sites'])}")
    out.print(f"scopes  {' '.join(held['scopes'])}")
    table(
        ("subscription", "plan", "state", "sites", "expires"),
        (
            (f"{s['contract']} v{s['major']}", s["plan"], s["state"], s["sites"] or "all", minute(s["expires_at"]))
            for s in subscriptions
        ),
        empty="no subscriptions",
    )
    table(
        ("credential", "kind", "state", "created", "last used", "expires", "revoked", "label"),
        (
            (
                c["id"],
                c["kind"],
                c["state"],
                day(c.get("created_at")),
                minute(c.get("last_used_at")),
                day(c.get("expires_at")),
                day(c.get("revoked_at")),
                c["label"],
            )
            for c in credentials
        ),
        empty="no credentials",
    )
    return Exit.OK


@apps.command("create")
def create(
    application: Application,
    consumer: Annotated[str, typer.Option(help="The partner or team it belongs to; created when new.")],
    audience: Annotated[str, typer.Option(help="internal or partner, for a new consumer.")] = "partner",
    scope: Annotated[list[str] | None, typer.Option(help="A scope it may use; repeat for more.")] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="A site it may reach; repeat for more. A new one without reaches all.")
    ] = None,
    party: Annotated[str | None, typer.Option(help="Party id passed to backends, e.g. SUP-10021.")] = None,
    bound_tokens_only: Annotated[
        bool | None, typer.Option(help="Refuse its tokens unless they are bound to a client certificate.")
    ] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Create an application, or change one. What is not given of scopes, sites, party and tokens stays."""
    from weighbridge.client import Refused

    client = _client()
    before = client.find(f"/v1/applications/{application}") or {"name": application, "scopes": [], "sites": None}
    given = {"scopes": scope or None, "sites": site or None, "party": party, "bound_tokens_only": bound_tokens_only}
    kept = ("name", "scopes", "sites", "party", "pins", "bound_tokens_only")
    body = {name: before[name] for name in kept if name in before}
    body |= {"consumer": consumer, **{name: value for name, value in given.items() if value is not None}}
    is_new = client.find(f"/v1/consumers/{consumer}") is None
    if is_new:
        client.put(f"/v1/consumers/{consumer}", {"name": consumer, "audience": audience})
    try:
        held = client.put(f"/v1/applications/{application}", body)
    except Refused:
        if is_new:  # nothing is left half made
            client.delete(f"/v1/consumers/{consumer}")
        raise
    if format is Format.JSON:
        say_json(held)
    else:
        out.print(f"application [bold]{application}[/] of {consumer}")
        out.print(f"next: weighbridge apps request {application} CONTRACT@MAJOR --plan PLAN", style="dim")
    return Exit.OK


@apps.command("subscribe")
def subscribe(
    application: Application,
    contract: Annotated[str, typer.Argument(metavar="CONTRACT@MAJOR")],
    plan: Annotated[str, typer.Option(help="Plan whose limits apply.")],
    site: Annotated[
        list[str] | None, typer.Option(help="Limit it to a site; repeat for more. Without, they stay as they are.")
    ] = None,
    all_sites: Annotated[bool, typer.Option("--all-sites", help="Lift such a limit.")] = False,
    until: Annotated[str | None, typer.Option(help="Day or instant of its end, such as a longer trial.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; the consumer reads it.")] = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Subscribe an application to a contract's major. Without being asked; or change its plan, sites or end."""
    name, major = major_of(contract)
    if site and all_sites:
        raise CommandError("--site limits and --all-sites lifts the limit: give one of them")
    body: dict[str, Any] = {"plan": plan} | ({"sites": site or None} if site or all_sites else {})
    body |= {key: value for key, value in (("expires_at", until), ("reason", reason)) if value is not None}
    held = _client().put(f"/v1/applications/{application}/subscriptions/{name}/{major}", body, dry_run=dry_run or None)
    if format is Format.JSON:
        say_json(held)
    else:
        may = {"active": "may call", "suspended": "is suspended, and may not call"}[held["state"]]
        would = "would be saved: " if dry_run else ""
        out.print(f"{would}{application} {may} [bold]{name} v{major}[/] on plan {plan}{terms_of(held)}")
    return Exit.OK


@apps.command("request")
def request(
    application: Application,
    contract: Annotated[str, typer.Argument(metavar="CONTRACT@MAJOR")],
    plan: Annotated[str, typer.Option(help="The plan that is asked for.")],
    site: Annotated[list[str] | None, typer.Option(help="For this site only; repeat for more.")] = None,
    reason: Annotated[str | None, typer.Option(help="What for; who approves reads it.")] = None,
    dry_run: DryRun = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Ask the owner of a contract for a subscription."""
    name, major = major_of(contract)
    body: dict[str, Any] = {"contract": name, "major": int(major), "plan": plan, "sites": site or None}
    held = _client().post(
        f"/v1/applications/{application}/subscriptions", body | {"reason": reason}, dry_run=dry_run or None
    )
    if format is Format.JSON:
        say_json(held)
    else:
        asked = "would ask" if dry_run else "asked"
        out.print(f"{application} {asked} for [bold]{name} v{major}[/] on plan {plan}{terms_of(held)}")
        out.print(f"its owner answers: weighbridge subscriptions approve {application} {name}@{major}", style="dim")
    return Exit.OK


@apps.command("key")
def key(
    application: Application, label: Label = "", expires: Expires = None, format: FormatOption = Format.TEXT
) -> int:
    """Create an API key. It is shown once: the registry keeps only its digest."""
    return _credential(application, "api-key", label, expires, format)


@apps.command("secret")
def secret(
    application: Application, label: Label = "", expires: Expires = None, format: FormatOption = Format.TEXT
) -> int:
    """Create an OAuth client secret. It is shown once."""
    return _credential(application, "client-secret", label, expires, format)


@apps.command("add-key")
def add_key(
    application: Application,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A public key: a JWK, or PEM.")],
    label: Annotated[str, typer.Option(help="Whose it is, or where it lies.")] = "",
    format: FormatOption = Format.TEXT,
) -> int:
    """Register a public key (`private_key_jwt`). What its owner signs gets tokens, and no secret travels."""
    body = {"kind": "public-key", "public_jwk": read_public_key(file), "label": label}
    held = _client().post(f"/v1/applications/{application}/credentials", body)
    if format is Format.JSON:
        say_json(held)
    else:
        jwk = held["credential"]["public_jwk"]
        out.print(f"[bold]{held['credential']['id']}[/] of {application} signs with {jwk['alg']}, kid {jwk['kid']}")
    return Exit.OK


@apps.command("revoke")
def revoke(
    application: Application,
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="Its id, as `apps show` lists it.")],
    format: FormatOption = Format.TEXT,
) -> int:
    """Revoke a credential: refused everywhere within two seconds."""
    _client().delete(f"/v1/applications/{application}/credentials/{credential}")
    if format is Format.JSON:
        say_json({"application": application, "credential": credential, "revoked": True})
    else:
        out.print(f"revoked {credential}")
    return Exit.OK


def _credential(application: str, kind: str, label: str, expires: str | None, format: Format) -> int:
    body = {"kind": kind, "label": label} | ({"expires_at": expires} if expires else {})
    created = _client().post(f"/v1/applications/{application}/credentials", body)
    if format is Format.JSON:
        say_json(created)
    else:
        print(created["secret"])
        from weighbridge.printing import err

        err.print(
            f"{kind} {created['credential']['id']} of {application}; this is the only time it is shown",
            style="dim",
            markup=False,
        )
    return Exit.OK


def token(
    application: Application,
    secret: Annotated[
        str | None, typer.Option(envvar="WEIGHBRIDGE_CLIENT_SECRET", help="Client secret; by default the demo's own.")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Ask for less than all scopes; repeat for more.")] = None,
    key: Annotated[Path | None, typer.Option(help="Prove it with this private key (PEM) instead of a secret.")] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Get an access token and print it. OAuth client credentials; for `curl -H "Authorization: Bearer ..."`."""
    from weighbridge.client import registry_address
    from weighbridge.issuing import ask, by_key, by_secret
    from weighbridge.settings import ClientSettings, read_private

    settings = ClientSettings()
    url = registry_address(settings)
    if key is not None:
        proof = by_key(application, key, url)
    else:
        demo = read_private(settings.home / "demo.json")
        secret = secret or (demo.get("secrets") or {}).get(application)
        if not secret:
            raise CommandError(
                f"no client secret for {application}: weighbridge apps secret {application}, then --secret"
            )
        proof = by_secret(application, secret)
    form = {"grant_type": "client_credentials"} | ({"scope": " ".join(scope)} if scope else {})
    answer = ask(url, "/oauth/token", form, proof).json()
    if format is Format.JSON:
        say_json(answer)
    else:
        print(answer["access_token"])
    return Exit.OK


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()
