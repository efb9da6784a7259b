"""Secrets at rest: sealed by a key that is not in the database (AES-256-GCM).

    keyring(settings, beside) -> Keyring          from the environment, a file, or the file beside an SQLite database
    Keyring.seal(text, about) -> str              ``sealed:<key id>:<base64url of nonce and ciphertext>``
    Keyring.open(sealed, about) -> str            raises `WrongSecretsKey`

The first key of a ring seals, all of them open: to change the key, put a new one before the old, restart (what the old
one sealed is sealed anew), then take the old one out. `about` names what is sealed and is authenticated with it, so a
sealed text cannot be moved to another place. A key is told by its id, a digest; no message holds a key.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.errors import Invalid
from registry.settings import Settings

KEY_BYTES = 32
_PREFIX = "sealed"
_NONCE_BYTES = 12
_POINTER = "/secrets_key"
_SETTING = "WEIGHBRIDGE_REGISTRY_SECRETS_KEY"
_HOW = f"`weighbridge keygen --secrets` makes one for {_SETTING}"


class WrongSecretsKey(Invalid):
    """What is kept was sealed by a key that this registry was not given, or was altered."""


class Keyring:
    """One or several keys; `origin` says where they came from."""

    def __init__(self, keys: Sequence[bytes], origin: str) -> None:
        self._sealers = {_id(key): AESGCM(key) for key in keys}
        self._current = _id(keys[0])
        self.origin = origin

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._sealers)} from {self.origin})"

    def seal(self, text: str, about: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._sealers[self._current].encrypt(nonce, text.encode(), about.encode())
        return f"{_PREFIX}:{self._current}:{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, about: str) -> str:
        prefix, _, rest = sealed.partition(":")
        id_, _, content = rest.partition(":")
        if prefix != _PREFIX:
            raise WrongSecretsKey(_POINTER, f"{about} is not sealed")
        sealer = self._sealers.get(id_)
        if sealer is None:
            held = ", ".join(self._sealers)
            raise WrongSecretsKey(
                _POINTER,
                f"{about} is sealed by the secrets key {id_}, and this registry holds {held} from {self.origin}; give "
                f"it that key too, after the current one (see {_SETTING})",
            )
        try:
            data = base64.b64decode(content, altchars=b"-_", validate=True)
            return sealer.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], about.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise WrongSecretsKey(_POINTER, f"{about} was altered, or belongs to something else") from None

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed, and by the key that seals now."""
        return sealed.startswith(f"{_PREFIX}:{self._current}:")


def is_sealed(text: str) -> bool:
    return text.startswith(f"{_PREFIX}:")


def new_key() -> str:
    """A key as the setting takes it."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def keyring(settings: Settings, beside: Path | None) -> Keyring:
    """`beside` is the file of an SQLite database. Without a setting a key file is made next to it, which protects
    copies of the database alone; other databases have no such place, and a key must be given. Raises `Invalid`."""
    given, file = settings.secrets_key, settings.secrets_key_file
    if given is not None and file is not None:
        raise Invalid(_POINTER, f"set either {_SETTING} or {_SETTING}_FILE, not both")
    if given is not None:
        return Keyring(_keys(given.get_secret_value().replace(",", "\n"), _SETTING), _SETTING)
    if file is not None:
        return _of_file(file)
    if beside is None:
        raise Invalid(
            _POINTER,
            f"private keys are kept encrypted, and there is no key to encrypt them with: {_HOW} or the file that "
            f"{_SETTING}_FILE names",
        )
    made = beside.with_name(beside.name + ".key")
    try:
        _make(made)
    except OSError as error:
        raise Invalid(_POINTER, f"the key file {made} cannot be made ({error.strerror}); {_HOW}") from None
    return _of_file(made)


def _of_file(file: Path) -> Keyring:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise Invalid(_POINTER, f"the key file {file} cannot be read ({reason})") from None
    return Keyring(_keys(text, str(file)), str(file))


def _make(file: Path) -> None:
    """Whole, readable by its owner only, and by one of those that try at once."""
    if file.exists():
        return
    with NamedTemporaryFile("w", dir=file.parent, prefix=f"{file.name}.") as draft:  # made with 0600
        draft.write(new_key() + "\n")
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, file)
        except FileExistsError:
            return


def _keys(text: str, origin: str) -> list[bytes]:
    keys = []
    for number, line in enumerate((line for line in text.splitlines() if line.strip()), 1):
        bare = line.strip().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            key = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise Invalid(_POINTER, f"key {number} of {origin} is not {KEY_BYTES} random bytes in base64; {_HOW}")
        keys.append(key)
    if not keys:
        raise Invalid(_POINTER, f"{origin} holds no key; {_HOW}")
    return keys


def _id(key: bytes) -> str:
    return sha256(b"weighbridge secrets key:" + key).hexdigest()[:8]
