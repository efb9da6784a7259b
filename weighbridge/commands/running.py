"""Running things: the all-in-one, each plane on its own, and a look at the snapshot that joins them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.commands import FormatOption
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table


def port_option(help: str, *, row: int = 1) -> Any:
    """An option for a port, or for the first of a row of ports."""
    return typer.Option(help=help, min=1, max=65536 - row)


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command("registry")(run_registry)
    app.command("gateway")(run_gateway)
    app.command("backends")(run_backends)
    app.command()(snapshot)


def up(
    host: Annotated[str, typer.Option(help="Address every part listens on.")] = "127.0.0.1",
    gateway_port: Annotated[int, port_option("Port of the gateway.")] = 8000,
    admin_port: Annotated[int, port_option("Port of the gateway's /healthz, /readyz and /metrics.")] = 8001,
    registry_port: Annotated[int, port_option("Port of the registry.")] = 8080,
    backends_port: Annotated[int, port_option("First of six ports of the demo backends.", row=6)] = 9101,
    home: Annotated[Path, typer.Option(envvar="WEIGHBRIDGE_HOME", help="Where data is kept between runs.")] = Path(
        ".weighbridge"
    ),
) -> int:
    """Run registry, gateway and demo backends in one go."""
    from weighbridge.up import Addresses, run

    return run(Addresses(host, gateway_port, admin_port, registry_port, backends_port), home)


def run_registry() -> int:
    """Run the registry (control plane). Settings: WEIGHBRIDGE_REGISTRY_* in the environment."""
    from pydantic import ValidationError

    from registry.cli import serve
    from registry.settings import Settings

    try:
        return serve(Settings())
    except ValidationError as error:
        raise _bad_settings("WEIGHBRIDGE_REGISTRY_", error) from error


def run_gateway() -> int:
    """Run the gateway (data plane). Settings: WEIGHBRIDGE_GATEWAY_* in the environment."""
    from pydantic import ValidationError

    from gateway.cli import serve
    from gateway.settings import Settings

    try:
        return serve(Settings())
    except ValidationError as error:
        raise _bad_settings("WEIGHBRIDGE_GATEWAY_", error) from error


def run_backends(
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    base_port: Annotated[int | None, port_option("First of six ports: the hub, then five sites (9101).", row=6)] = None,
    data: Annotated[Path | None, typer.Option(help="Where their files are kept (.weighbridge/backends).")] = None,
) -> int:
    """Run the demo's backends alone. Settings: WEIGHBRIDGE_DEMO_* in the environment; options go before them."""
    from pydantic import ValidationError

    from weighbridge.demo.backends.serving import serve
    from weighbridge.demo.backends.settings import Settings

    given = {"host": host, "base_port": base_port, "data": data}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise _bad_settings("WEIGHBRIDGE_DEMO_", error) from error
    return serve(settings)


def _bad_settings(prefix: str, error: Any) -> CommandError:
    lines = tuple(f"  {prefix}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
    return CommandError("settings in the environment cannot be used", lines=lines)


def snapshot(
    file: Annotated[Path | None, typer.Option(help="Read a gateway's snapshot file instead of the registry.")] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Show what gateways serve now. Revision, contracts and versions, applications, plans."""
    from policies.model.snapshot import SnapshotRefused, loads

    if file is not None:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
    else:
        from weighbridge.client import Client

        data = Client.from_settings().request("GET", "/v1/snapshot").content
    try:
        held, digest = loads(data)
    except SnapshotRefused as error:
        raise CommandError(f"{file or 'the registry'}: {error}") from error
    if format is Format.JSON:
        from msgspec import to_builtins

        say_json({"digest": digest, **to_builtins(held)})
        return Exit.OK
    out.print(f"revision [bold]{held.revision}[/]  {digest}")
    out.print(
        f"{len(held.contracts)} contracts, {len(held.versions)} versions, {len(held.applications)} applications, "
        f"{len(held.plans)} plans, {len(held.issuers)} issuers"
    )
    table(
        ("contract", "version", "stage", "digest"),
        ((v.contract, v.number, v.stage, v.digest[:19]) for v in held.versions),
        empty="no versions yet",
    )
    return Exit.OK
