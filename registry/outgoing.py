"""Fetching what an administrator points at: names resolved once, addresses judged, the judged one connected to.

The rules are `policies.outgoing`'s. Nothing is followed, nothing is unpacked, and size and time are bounded whatever
the other side does. A fault is `Unreachable`, whose words say what to do; they never repeat what was answered, or we
would read out to the caller what only we can reach.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import httpx

from policies.outgoing import Networks, Target, UnsafeAddress, target
from policies.traffic.authenticate_jwt_reading import InvalidToken, members

SECONDS = 10.0
LARGEST = 1024 * 1024
_PLAIN = Networks.parse("loopback")
"""Where http is enough: nobody but this machine can answer."""


class Unreachable(Exception):
    """Completes the sentence "ADDRESS ...". `status` is what was answered, if something was."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


async def fetch_json(url: str, networks: Networks) -> dict[str, Any]:
    """The JSON object at an address, read strictly. Raises `Unreachable`."""
    try:
        async with asyncio.timeout(SECONDS):
            body = await _fetch(url, networks)
    except TimeoutError:
        raise Unreachable(f"did not answer within {SECONDS:.0f} seconds") from None
    try:
        return members(body)
    except InvalidToken:
        raise Unreachable("did not answer with a JSON object that names every member once") from None


async def _fetch(url: str, networks: Networks) -> bytes:
    try:
        place = target(url)
    except UnsafeAddress as unsafe:
        raise Unreachable(str(unsafe)) from None
    refusal = "has no address"
    for address in await _addresses(place):
        judged = networks.refuses(address)
        if judged is not None:
            refusal = f"is not connected to: {judged}; WEIGHBRIDGE_REGISTRY_OUTGOING_NETWORKS says what is"
        elif place.scheme == "http" and _PLAIN.refuses(address) is not None:
            refusal = "is another machine, and http is not enough for that: use https"
        else:
            try:
                return await _get(url, place, address)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refusal = f"cannot be connected to: {error or type(error).__name__}"
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise Unreachable(f"broke off: {type(error).__name__}") from None
    raise Unreachable(refusal)


async def _addresses(place: Target) -> list[str]:
    if place.address is not None:
        return [str(place.address)]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable("cannot be resolved") from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def _get(url: str, place: Target, address: str) -> bytes:
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)  # also what the machine trusts: a company's own
    host = place.host if place.address is None or ":" not in place.host else f"[{place.host}]"
    default = 443 if place.scheme == "https" else 80
    headers = {
        "Host": host if place.port == default else f"{host}:{place.port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "weighbridge",
    }
    body = bytearray()
    async with (
        httpx.AsyncClient(verify=context, follow_redirects=False, timeout=5.0, trust_env=False) as client,
        client.stream(
            "GET",
            httpx.URL(url).copy_with(host=address),
            headers=headers,
            extensions={"sni_hostname": place.host.removesuffix(".")},  # whose certificate it must be
        ) as reply,
    ):
        if reply.status_code != 200:
            raise Unreachable(f"answered {reply.status_code}", reply.status_code)
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise Unreachable("answered in a content coding that was not asked for")
        async for piece in reply.aiter_raw():
            body += piece
            if len(body) > LARGEST:
                raise Unreachable(f"answered more than {LARGEST} bytes")
    return bytes(body)
