"""An HTTP client that goes only where it may: names are resolved once, judged, and the judged address is connected to.

For what an administrator names and others could bend (issuers' keys): rules in `policies.outgoing`. Upstreams have
their own pools and ask the same rules there. The one subtle thing is TLS: the connection goes to an address, but the
certificate must be for the name (RFC 9110 section 4.3.4), so the name is passed on beside it. That is why connections
are never kept: a kept one is found by address alone, and would serve another name with the first one's certificate.
"""

from __future__ import annotations

import ssl

import httpx

from gateway.names import Names
from policies.outgoing import Networks, UnsafeAddress, target

_PLAIN = Networks.parse("loopback")
"""Where http is enough: nobody but this machine can answer."""


class JudgedTransport(httpx.AsyncBaseTransport):
    """Raises `httpx.ConnectError` for an address that must not be connected to."""

    def __init__(self, networks: Networks, names: Names | None = None) -> None:
        self._networks = networks
        self._names = names or Names()
        self._inner: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            place = target(str(request.url))
        except UnsafeAddress as unsafe:
            raise httpx.ConnectError(f"the address {unsafe}", request=request) from None
        try:
            found = await self._names.addresses(place.host, place.port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{place.host} cannot be resolved: {error}", request=request) from error
        failure = httpx.ConnectError(f"{place.host} has no address", request=request)
        for address in found:
            refusal = self._networks.refuses(address)
            if refusal is None and place.scheme == "http" and _PLAIN.refuses(address) is not None:
                refusal = f"{address} is another machine, and http is not enough for that"
            if refusal is not None:
                failure = httpx.ConnectError(f"{place.host}: {refusal}", request=request)
                continue
            try:
                return await self._transport().handle_async_request(_to(address, place.host, request))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = httpx.ConnectError(f"{place.host} at {address}: {error or type(error).__name__}")
        raise failure

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()

    def _transport(self) -> httpx.AsyncHTTPTransport:
        if self._inner is None:
            context = httpx.create_ssl_context(trust_env=False)
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)  # also what the machine trusts: a company's own
            self._inner = httpx.AsyncHTTPTransport(
                verify=context, trust_env=False, limits=httpx.Limits(max_connections=20, max_keepalive_connections=0)
            )
        return self._inner


def _to(address: str, name: str, request: httpx.Request) -> httpx.Request:
    """The same request, with its Host as it was, to one address."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name.removesuffix(".")},
    )
