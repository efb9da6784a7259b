"""Puts the demo's people on stage through the management API, and says how to call as each of them.

`scene` holds who they are; this module sends them, keeps the secrets that are shown only once in a file of the home
folder, and prints the page that `weighbridge up` ends with. A second run finds everything and changes nothing.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from weighbridge.client import Client
from weighbridge.demo import scene
from weighbridge.errors import CommandError
from weighbridge.settings import PROJECT, read_private, write_private

SUPPLIER = "brightwater-edi-bridge"
CUSTOMER = "oakhurst-procurement"
INTERNAL = "close-reconciler"
SUNSET_DAYS = 200


def stage(client: Client, path: Path) -> dict[str, Any]:
    """Make plans, consumers, applications, subscriptions and credentials exist. Returns ``{"keys", "secrets"}`` by
    application id; `path` remembers them with the ids of their credentials."""
    for plan in scene.SCENE["plans"]:
        _put(client, f"/v1/plans/{plan['name']}", plan)
    for consumer in scene.SCENE["consumers"]:
        _put(client, f"/v1/consumers/{consumer['id']}", consumer)
    for application in scene.SCENE["applications"]:
        _put(client, f"/v1/applications/{application['id']}", application, leave=frozenset({"subscriptions", "id"}))
        items = client.items("/v1/subscriptions", application=application["id"])
        held = {(item["contract"], item["major"]): item["plan"] for item in items}
        for subscription in application["subscriptions"]:
            contract, major, plan = subscription["contract"], subscription["major"], subscription["plan"]
            if held.get((contract, major)) != plan:
                client.put(f"/v1/applications/{application['id']}/subscriptions/{contract}/{major}", {"plan": plan})
    _retire_the_old(client)
    return _credentials(client, path)


def _put(client: Client, where: str, body: Mapping[str, Any], *, leave: frozenset[str] = frozenset()) -> None:
    wanted = {name: value for name, value in body.items() if name not in leave}
    held = client.find(where)
    if held is None or any(held.get(name) != value for name, value in wanted.items()):
        client.put(where, wanted)


def _retire_the_old(client: Client) -> None:
    """One major deprecated and one retired, so that the headers and the 410 can be seen."""
    inventory = client.find("/v1/contracts/inventory-availability/versions/1.1.0")
    if inventory and inventory["stage"] == "published":
        newest = _newest(client, "inventory-availability", 1)
        sunset = (datetime.now(UTC) + timedelta(days=SUNSET_DAYS)).date().isoformat()
        _move(
            client,
            "inventory-availability",
            newest,
            "deprecate",
            sunset_at=sunset,
            successor="2",
            reason="major 2 names units and pages",
        )
    order = client.find("/v1/contracts/order-status/versions/1.0.0")
    if order and order["stage"] in ("published", "deprecated"):
        newest = _newest(client, "order-status", 1)
        sunset = (datetime.now(UTC) + timedelta(days=SUNSET_DAYS)).date().isoformat()
        if order["stage"] == "published":
            _move(
                client,
                "order-status",
                newest,
                "deprecate",
                sunset_at=sunset,
                successor="2",
                reason="one status hid six situations",
            )
        _move(
            client,
            "order-status",
            newest,
            "retire",
            reason="everybody moved to major 2 before the demo began",
            forced=True,
        )


def _newest(client: Client, contract: str, major: int) -> str:
    from weighbridge.commands.lifecycle import newest_of_major

    return newest_of_major(client, contract, str(major))


def _move(client: Client, contract: str, number: str, action: str, **body: Any) -> None:
    client.post(f"/v1/contracts/{contract}/versions/{number}/transitions", {"action": action, **body})


def _credentials(client: Client, path: Path) -> dict[str, Any]:
    demo = read_private(path)
    for kind, name in (("api-key", "keys"), ("client-secret", "secrets")):
        secrets, ids = demo.setdefault(name, {}), demo.setdefault("ids", {})
        for application in (SUPPLIER, CUSTOMER, INTERNAL):
            held = client.items(f"/v1/applications/{application}/credentials")
            live = {credential["id"] for credential in held if not credential.get("revoked_at")}
            if ids.get(f"{application} {kind}") in live:
                continue
            made = client.post(f"/v1/applications/{application}/credentials", {"kind": kind})
            secrets[application], ids[f"{application} {kind}"] = made["secret"], made["credential"]["id"]
            write_private(path, demo)
    return demo


def wait_until_served(gateway: str, demo: Mapping[str, Any], *, deadline: float) -> None:
    """Until the gateway knows the newest key: what was just made takes a moment to cross."""
    url = f"{gateway}/inventory-availability/v2/sites"
    while True:
        answer = httpx.get(url, headers={"X-API-Key": demo["keys"][INTERNAL]}, trust_env=False)
        if answer.status_code == 200:
            return
        if time.monotonic() > deadline:
            raise CommandError(f"the gateway answers {answer.status_code} on {url}: {answer.text[:300]}")
        time.sleep(0.1)


def summary(gateway: str, registry: str, admin: str, demo: Mapping[str, Any], home: Path) -> str:
    """The page a newcomer sees: where things are, who may call, four lines to paste.

    What is to be pasted works in the folder `up` was started in, whatever its home and wherever it is installed.
    """
    keys = demo["keys"]
    command = _from_here(Path(sys.executable).parent / "weighbridge")
    if home != Path(".weighbridge").absolute():
        command = f"WEIGHBRIDGE_HOME={_from_here(home)} {command}"
    return f"""\
Gateway   {gateway}          partners and applications call here
Registry  {registry}          service owners publish here (key in {_from_here(home / "client.json")})
Health    {admin}/readyz   metrics {admin}/metrics

Who may call            API key (X-API-Key)
  supplier  {SUPPLIER}
            {keys[SUPPLIER]}
  customer  {CUSTOMER}
            {keys[CUSTOMER]}
  internal  {INTERNAL}
            {keys[INTERNAL]}
  a bearer token instead:  {command} token {CUSTOMER}

Four lines to paste into a second terminal, in this folder:

1. a good call - the stock of one cable in Dallas (try PHX-1 or ATL-1: another backend answers)
   curl -i -H 'X-API-Key: {keys[CUSTOMER]}' {gateway}/inventory-availability/v2/sites/DAL-2/availability/{scene.GOOD_SKU}

2. a call the contract refuses - limit must be at most 200
   curl -i -H 'X-API-Key: {keys[CUSTOMER]}' '{gateway}/inventory-availability/v2/sites/DAL-2/availability?limit=9999'

3. a call over the limit - the supplier's plan for acknowledgements admits {scene.TIGHT_REQUESTS} in {scene.TIGHT_WINDOW} seconds
   for i in $(seq {scene.TIGHT_REQUESTS + 3}); do curl -s -o /dev/null -w '%{{http_code}} ' -H 'X-API-Key: {keys[SUPPLIER]}' {gateway}/{scene.TIGHT_PATH}; done; echo

4. a publish that is refused because it breaks somebody
   {command} publish {_from_here(PROJECT / scene.REFUSED_FILE)}

Ctrl-C stops everything; what was done is kept for the next start.
"""


def _from_here(path: Path) -> str:
    """A path as a shell takes it: below the working folder without it, elsewhere in full."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
