"""The registry's issuer as an application calls it: a form, a proof, and an answer or the server's own words.

ask(url, path, form, proof) -> httpx.Response         raises `CommandError`
by_secret(application, secret), by_key(application, file, url), by_operator(key) -> Proof
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.errors import CommandError, Exit

if TYPE_CHECKING:
    import httpx

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
METADATA = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True)
class Proof:
    """What goes along with a form to say whose it is."""

    form: dict[str, str] = field(default_factory=dict, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)


def by_secret(application: str, secret: str) -> Proof:
    return Proof(auth=(application, secret))


def by_operator(key: str) -> Proof:
    return Proof(bearer=key)


def by_key(application: str, file: Path, url: str) -> Proof:
    """An assertion for the registry's issuer, signed by the private key in `file` (PEM). Raises `CommandError`."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private: Any = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise CommandError(f"{file} is no private key in PEM, or a passphrase protects it") from None
    algorithm = "EdDSA"
    if isinstance(private, rsa.RSAPrivateKey):
        algorithm = "RS256"
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = "ES384" if private.curve.name == "secp384r1" else "ES256"
    now = int(time.time())
    claims = {
        "iss": application,
        "sub": application,
        "aud": _issuer(url),
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
        "jti": secrets.token_hex(16),
    }
    signed = jwt.encode(claims, private, algorithm=algorithm, headers={"typ": "client-authentication+jwt"})
    return Proof({"client_assertion_type": ASSERTION, "client_assertion": signed})


def ask(url: str, path: str, form: dict[str, str], proof: Proof) -> httpx.Response:
    """POST a form. Raises `CommandError`: nobody answers, or the answer is a refusal."""
    import httpx

    headers = {"Authorization": f"Bearer {proof.bearer}"} if proof.bearer else {}
    try:
        response = httpx.post(
            url + path, data={**form, **proof.form}, auth=proof.auth, headers=headers, timeout=10, trust_env=False
        )
    except httpx.HTTPError as error:
        raise _silent(url, error) from error
    if response.is_success:
        return response
    try:
        answer = response.json()
        reason = answer.get("error_description") or answer["error"]
    except (ValueError, KeyError, AttributeError):
        raise CommandError(
            f"{url}{path} answered {response.status_code}: is that the registry?", code=Exit.UNREACHABLE
        ) from None
    raise CommandError(f"refused: {reason}", code=Exit.REFUSED)


def _issuer(url: str) -> str:
    """What the registry calls itself, which need not be the address that it is called at."""
    import httpx

    try:
        return str(httpx.get(url + METADATA, timeout=10, trust_env=False).json()["issuer"])
    except httpx.HTTPError as error:
        raise _silent(url, error) from error
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{url} does not tell its issuer: is that the registry?", code=Exit.UNREACHABLE) from None


def _silent(url: str, error: Exception) -> CommandError:
    return CommandError(f"the registry at {url} does not answer ({error}): is it running?", code=Exit.UNREACHABLE)
