from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from registry.public_keys import accepted
from weighbridge.cli import main
from weighbridge.commands.keys import read_public_key
from weighbridge.errors import CommandError


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_the_private_half_is_written_and_the_public_half_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], algorithm: str
) -> None:
    file = tmp_path / "partner.pem"
    assert main(["keygen", str(file), "--algorithm", algorithm]) == 0
    jwk = json.loads(capsys.readouterr().out)
    assert accepted(jwk)["alg"] == algorithm
    assert file.stat().st_mode & 0o777 == 0o600
    private = load_pem_private_key(file.read_bytes(), None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("a.pem", public.decode()), ("a.jwk", json.dumps(jwk)), ("set", json.dumps({"keys": [jwk]}))):
        (tmp_path / name).write_text(content)
        assert read_public_key(tmp_path / name) == jwk
    assert main(["keygen", str(file)]) == 2
    assert "never overwritten" in capsys.readouterr().err


def test_a_secrets_key_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", "--secrets"]) == 0
    assert len(base64.urlsafe_b64decode(capsys.readouterr().out.strip())) == 32
    assert main(["keygen"]) == 2
    assert main(["keygen", "--secrets", "file"]) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n", "never leaves its owner"),
        ('{"kty": "OKP", "crv": "Ed25519", "x": "eA", "d": "eA"}', "never leaves its owner"),
        ('{"keys": []}', "more or less than one"),
        ('{"keys": [1]}', "more or less than one"),
        ("", "is no public key"),
        ("{", "is no public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "is no public key"),
    ],
)
def test_what_is_no_public_key_is_told(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(CommandError, match=said):
        read_public_key(file)


def test_keys_of_other_kinds_and_missing_files(tmp_path: Path) -> None:
    file = tmp_path / "key"
    public = dsa.generate_private_key(1024).public_key()
    file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(CommandError, match="is no public key"):
        read_public_key(file)
    with pytest.raises(CommandError, match="cannot be read"):
        read_public_key(tmp_path / "none")
