"""Keys: those that the registry signs tokens with, and those that are made here, for clients and for the registry."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from weighbridge.commands import FormatOption
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, out, say_json, table

signing_keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


class Kind(StrEnum):
    ES256 = "ES256"
    EDDSA = "EdDSA"


def register(app: typer.Typer) -> None:
    app.add_typer(signing_keys, name="signing-keys", help="The keys that the registry signs tokens with.")
    app.command()(keygen)


@signing_keys.command("list")
def list_keys(format: FormatOption = Format.TEXT) -> int:
    """List the keys that are published. They sign, will sign, or stay until their last token has expired."""
    items = list(_client().items("/v1/signing-keys"))
    if format is Format.JSON:
        say_json(items)
    else:
        table(
            ("key", "algorithm", "signs from", "until"),
            ((k["kid"], k["public_jwk"]["alg"], k["signs_from"] or k["created_at"], k["retired_at"]) for k in items),
            empty="no signing keys yet",
        )
    return Exit.OK


@signing_keys.command("rotate")
def rotate(
    at_once: Annotated[bool, typer.Option("--at-once", help="Sign with it now, not after the lead time.")] = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Make a new key. It is published now and signs after the lead time, so that every gateway knows it by then."""
    made = _client().request("POST", "/v1/signing-keys", params={"at_once": at_once}).json()
    if format is Format.JSON:
        say_json(made)
    else:
        out.print(f"[bold]{made['kid']}[/] signs from {made['signs_from']}")
    return Exit.OK


@signing_keys.command("withdraw")
def withdraw(
    kid: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `signing-keys list` shows it.")],
    reason: Annotated[str | None, typer.Option(help="Why; it stands in the audit log.")] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Publish a key no longer, because it got out. What it signed is refused within two seconds."""
    _client().delete(f"/v1/signing-keys/{kid}", reason=reason)
    if format is Format.JSON:
        say_json({"kid": kid, "withdrawn": True})
    else:
        out.print(f"withdrew {kid}")
    return Exit.OK


def keygen(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where the private key is written, as PEM.")
    ] = None,
    algorithm: Annotated[Kind, typer.Option(help="What it will sign with.")] = Kind.ES256,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Print a key for WEIGHBRIDGE_REGISTRY_SECRETS_KEY instead.")
    ] = False,
) -> int:
    """Make a key for an application to sign with. FILE gets the private half; the public one (a JWK) is printed."""
    if secrets == (file is not None):
        raise CommandError("name the FILE of the private key, or ask for --secrets")
    if file is None:
        from registry.sealing import new_key

        print(new_key())
        return Exit.OK
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private: Any
    if algorithm is Kind.EDDSA:
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    try:
        with open(file, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as written:
            written.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except FileExistsError:
        raise CommandError(f"{file} is there already; a key is never overwritten") from None
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from None
    print(json.dumps(public_jwk(private.public_key())))
    return Exit.OK


def read_public_key(file: Path) -> dict[str, Any]:
    """A public key as a JWK, from a JWK, a JWK set of one, or PEM. A private key is refused before it is sent."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
    if "PRIVATE KEY" in text:
        raise CommandError(f"{file} is a private key, which never leaves its owner; give the public half")
    try:
        return _of_json(json.loads(text)) if text.lstrip().startswith("{") else _of_pem(text)
    except ValueError:
        raise CommandError(f"{file} is no public key: a JWK, or PEM that begins with BEGIN PUBLIC KEY") from None


def public_jwk(public: Any) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

    if isinstance(public, rsa.RSAPublicKey):
        jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ed25519.Ed25519PublicKey):
        jwk = OKPAlgorithm.to_jwk(public, as_dict=True)
    else:
        raise ValueError(type(public).__name__)
    return {name: value for name, value in jwk.items() if name != "key_ops"}


def _of_json(tree: Any) -> dict[str, Any]:
    keys = tree.get("keys", [tree])
    if not isinstance(keys, list) or len(keys) != 1 or not isinstance(keys[0], dict):
        raise CommandError("the JWK set holds more or less than one key; register each by itself")
    if "d" in keys[0]:
        raise CommandError("that is a private key, which never leaves its owner; give the public half")
    return keys[0]


def _of_pem(text: str) -> dict[str, Any]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return public_jwk(load_pem_public_key(text.encode()))
    except UnsupportedAlgorithm:
        raise ValueError("unsupported") from None


def _client() -> Any:
    from weighbridge.client import Client

    return Client.from_settings()
