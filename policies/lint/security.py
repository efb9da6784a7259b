"""Rules on security: what is declared must be known, enforceable by the gateway, and there at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from policies.findings import Severity
from policies.lint.rule import Context, Flaw, rule
from policies.model.document import Document, Operation, escape

_ENFORCEABLE = frozenset({"oauth2", "openIdConnect", "http:bearer", "apiKey"})


@rule(
    "operation",
    severity=Severity.ERROR,
    good=("security: null\nget: {security: [{oauth: [items:read]}]}\npost: {security: [{oauth: [items:read]}]}\n"
          "read: {security: [{}]}",),
    bad=("security: null\nget: {security: [{oauth: [items:read]}]}\npost: {security: [{oauth: [items:read]}]}",),
)  # fmt: skip
def operations_declare_security(operation: Operation, context: Context) -> Iterator[Flaw]:
    """Every operation says who may call it.

    Where nothing is declared, nobody can tell an open operation from a forgotten one, and the gateway would have to
    guess. Declare ``security`` once for the document or on the operation; ``security: [{}]`` says *open to all*.
    """
    if operation.security is None:
        yield Flaw(
            operation.pointer,
            f"{operation.key} declares no security",
            "add security to the document or the operation; [{}] if it is open to all",
        )


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("post: {security: [{oauth: [items:write]}]}", "read: {security: [{}]}"),
    bad=("post: {security: [{}]}", "post: {security: []}"),
)
def writes_are_authenticated(operation: Operation, context: Context) -> Iterator[Flaw]:
    """Whoever changes something is known.

    An anonymous write cannot be attributed, limited per caller or revoked. Require a scheme; open reads are fine.
    """
    writes = operation.method in ("POST", "PUT", "PATCH", "DELETE")
    if writes and operation.security is not None and () in operation.security:
        yield Flaw(operation.pointer, f"{operation.key} may be called by anybody", "require a security scheme")


@rule(
    "operation",
    severity=Severity.ERROR,
    good=("read: {security: [{oauth: [items:read]}]}",),
    bad=("read: {security: [{apiKey: []}]}",),
)
def security_schemes_are_declared(operation: Operation, context: Context) -> Iterator[Flaw]:
    """A security requirement names a scheme that components.securitySchemes declares.

    A requirement that refers to nothing can be met by nobody. Declare the scheme, or correct the name.
    """
    known = context.document.security_schemes
    for name in sorted({r.scheme for alternative in operation.security or () for r in alternative} - known.keys()):
        yield Flaw(
            operation.pointer,
            f"{operation.key} requires security scheme {name}, which is not declared",
            f"declare {name} under components.securitySchemes",
        )


@rule(
    "document",
    severity=Severity.ERROR,
    good=(
        "components: {securitySchemes: {key: {type: apiKey, in: header, name: X-API-Key}}}",
        "components: {securitySchemes: {basic: {type: http, scheme: basic}}}",
    ),
    bad=(
        "security: [{key: []}]\ncomponents: {securitySchemes: {key: {type: apiKey, in: query, name: key}}}",
        "security: [{basic: []}]\ncomponents: {securitySchemes: {basic: {type: http, scheme: basic}}}",
    ),
)
def security_schemes_are_enforceable(document: Document, context: Context) -> Iterator[Flaw]:
    """Security schemes in use are of a kind the gateway enforces: oauth2, openIdConnect, bearer, or apiKey in a header.

    Passwords and keys in addresses end up in logs, histories and referrers, and the gateway reads no credentials from
    there: no caller could ever pass. Use a bearer token or a key in the ``X-API-Key`` header.
    """
    used = {r.scheme for o in document.operations for alternative in o.security or () for r in alternative}
    for name, scheme in document.security_schemes.items():
        if name not in used:
            continue
        kind = str(scheme.get("type", ""))
        if kind == "http":
            kind = f"http:{str(scheme.get('scheme', '')).lower()}"
        elif kind == "apiKey" and scheme.get("in") != "header":
            kind = f"apiKey in {scheme.get('in')}"
        if kind not in _ENFORCEABLE:
            yield Flaw(
                f"/components/securitySchemes/{escape(name)}",
                f"security scheme {name} ({kind}) cannot be enforced by the gateway",
                "use oauth2, openIdConnect, http bearer, or apiKey in a header",
            )


@rule(
    "operation",
    severity=Severity.ERROR,
    good=("read: {security: [{oauth: [items:read]}]}",),
    bad=("read: {security: [{oauth: [items:raed]}]}",),
)
def scopes_are_declared(operation: Operation, context: Context) -> Iterator[Flaw]:
    """A scope that an operation requires is one that its oauth2 scheme declares.

    Nobody can ask for a scope that is not on offer, so the operation cannot be called. Usually it is a misspelling.
    """
    unknown: set[str] = set()
    for alternative in operation.security or ():
        for requirement in alternative:
            if requirement.kind == "oauth2":
                scheme = context.document.security_schemes[requirement.scheme]
                unknown |= set(requirement.scopes) - _offered(scheme)
    if unknown:
        yield Flaw(
            operation.pointer,
            f"{operation.key} requires scopes that no flow declares: {', '.join(sorted(unknown))}",
            "declare them under the scheme's flows, or correct the spelling",
        )


def _offered(scheme: Mapping[str, Any]) -> set[str]:
    flows = scheme.get("flows")
    flows = flows.values() if isinstance(flows, Mapping) else ()
    return {scope for flow in flows if isinstance(flow, Mapping) for scope in flow.get("scopes") or ()}


@rule(
    "operation",
    severity=Severity.WARNING,
    good=("read: {security: [{oauth: [items:read]}]}",),
    bad=("read: {security: [{oauth: []}]}",),
)
def oauth_operations_name_scopes(operation: Operation, context: Context) -> Iterator[Flaw]:
    """An operation secured by oauth2 requires at least one scope.

    Without a scope every token of every application opens it, and a right can neither be granted nor taken away on its
    own. Name the scope; adding one later is a breaking change.
    """
    for alternative in operation.security or ():
        if any(requirement.kind == "oauth2" for requirement in alternative) and not any(r.scopes for r in alternative):
            yield Flaw(operation.pointer, f"{operation.key} asks for a token but no scope", "name a scope: items:read")
            return


@rule(
    "document",
    severity=Severity.ERROR,
    good=("servers: [{url: 'https://api.larkfield.example'}]",),
    bad=("servers: [{url: 'https://user:secret@api.larkfield.example'}]",),
)
def servers_hide_no_credentials(document: Document, context: Context) -> Iterator[Flaw]:
    """No server address carries a user name or password.

    A contract is read by every consumer and kept for ever; a secret in it is a secret no more. Remove it and change it.
    """
    for pointer, url in _servers(document):
        if urlsplit(url).username is not None:
            yield Flaw(pointer, "the server address carries credentials", "remove them, and replace the secret")


@rule(
    "document",
    severity=Severity.WARNING,
    good=("servers: [{url: 'http://localhost:8000'}, {url: /items}]",),
    bad=("servers: [{url: 'http://api.larkfield.example'}]",),
)
def addresses_use_https(document: Document, context: Context) -> Iterator[Flaw]:
    """Servers and token endpoints are reached by https.

    Over plain http every hop can read and keep the token. Addresses of the local machine are exempt.
    """
    for pointer, url in (*_servers(document), *_token_endpoints(document)):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            yield Flaw(pointer, f"{parts.hostname} is reached by plain http", "use https")


def _servers(document: Document) -> Iterator[tuple[str, str]]:
    for index, server in enumerate(document.tree.get("servers") or ()):
        if isinstance(server, Mapping) and _is_address(server.get("url")):
            yield f"/servers/{index}/url", server["url"]


def _token_endpoints(document: Document) -> Iterator[tuple[str, str]]:
    for name, scheme in document.security_schemes.items():
        flows = scheme.get("flows")
        for flow, settings in flows.items() if isinstance(flows, Mapping) else ():
            for member in ("tokenUrl", "authorizationUrl", "refreshUrl"):
                if isinstance(settings, Mapping) and _is_address(settings.get(member)):
                    yield f"/components/securitySchemes/{escape(name)}/flows/{flow}/{member}", settings[member]


def _is_address(value: Any) -> bool:
    """A server may hold variables in braces; what cannot be split is somebody else's finding."""
    try:
        return isinstance(value, str) and bool(urlsplit(value).path or urlsplit(value).netloc)
    except ValueError:
        return False
