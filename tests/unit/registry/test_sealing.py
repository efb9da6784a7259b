from __future__ import annotations

import base64
import secrets
import threading
from pathlib import Path
from typing import Any

import pytest

from registry import sealing
from registry.errors import Invalid
from registry.sealing import Keyring, WrongSecretsKey
from registry.settings import Settings

KEY, OTHER = sealing.new_key(), sealing.new_key()
PLACE = "the signing key a"


def ring(*keys: str) -> Keyring:
    return sealing.keyring(Settings(secrets_key=",".join(keys)), None)  # type: ignore[arg-type]


def test_what_is_sealed_is_opened_by_the_same_key_only() -> None:
    sealed = ring(KEY).seal("a secret", PLACE)
    assert "secret" not in sealed
    assert ring(KEY).open(sealed, PLACE) == "a secret"
    assert ring(KEY).seal("a secret", PLACE) != sealed
    with pytest.raises(WrongSecretsKey, match=r"sealed by the secrets key [0-9a-f]{8}, and this registry holds") as e:
        ring(OTHER).open(sealed, PLACE)
    for key in (KEY, OTHER):
        assert key not in str(e.value)
        assert key not in repr(ring(key))


def test_a_sealed_text_cannot_be_changed_or_moved() -> None:
    sealed = ring(KEY).seal("a secret", PLACE)
    prefix, id_, content = sealed.split(":")
    data = bytearray(base64.urlsafe_b64decode(content))
    for changed in (
        f"{prefix}:{id_}:{base64.urlsafe_b64encode(bytes([data[0] ^ 1]) + data[1:]).decode()}",
        f"{prefix}:{id_}:{base64.urlsafe_b64encode(data[:-1]).decode()}",
        f"{prefix}:{id_}:",
        f"{prefix}:{id_}:!",
        f"other:{id_}:{content}",
    ):
        with pytest.raises(WrongSecretsKey):
            ring(KEY).open(changed, PLACE)
    with pytest.raises(WrongSecretsKey):
        ring(KEY).open(sealed, "the signing key b")


def test_the_first_key_seals_and_all_open() -> None:
    old = ring(OTHER).seal("a secret", PLACE)
    both = ring(KEY, OTHER)
    assert both.open(old, PLACE) == "a secret"
    assert not both.is_current(old)
    new = both.seal("a secret", PLACE)
    assert both.is_current(new)
    assert ring(KEY).open(new, PLACE) == "a secret"


@pytest.mark.parametrize("spelled", [KEY, KEY.rstrip("="), KEY.replace("-", "+").replace("_", "/"), f" {KEY} "])
def test_a_key_may_be_spelled_in_either_base64(spelled: str) -> None:
    assert ring(spelled).open(ring(KEY).seal("x", PLACE), PLACE) == "x"


@pytest.mark.parametrize("nonsense", ["", ",", "short", KEY[:20], KEY + "AAAA", "!" * 43, f"{KEY},x", "é" * 43])
def test_a_key_that_is_none_is_told_without_repeating_it(nonsense: str) -> None:
    with pytest.raises(Invalid, match="keygen --secrets") as caught:
        ring(nonsense)
    assert KEY not in str(caught.value)


def test_keys_stand_in_a_file_one_on_each_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"\n{KEY}\n{OTHER}\n")
    held = sealing.keyring(Settings(secrets_key_file=file), None)
    assert held.open(ring(OTHER).seal("x", PLACE), PLACE) == "x"
    assert held.is_current(ring(KEY).seal("x", PLACE))


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    told: list[tuple[dict[str, Any], str]] = [
        ({}, "no key to encrypt them with"),
        ({"secrets_key_file": tmp_path / "none"}, "none cannot be read"),
        ({"secrets_key_file": tmp_path}, "cannot be read"),
        ({"secrets_key_file": tmp_path / "none", "secrets_key": KEY}, "not both"),
    ]
    for given, said in told:
        with pytest.raises(Invalid, match=said):
            sealing.keyring(Settings(**given), None)


def test_beside_a_file_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    database = tmp_path / "registry.db"
    rings: list[Keyring] = []
    ready = threading.Barrier(8)

    def make() -> None:
        ready.wait()
        rings.append(sealing.keyring(Settings(), database))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = list(tmp_path.iterdir())
    assert [file.name for file in made] == ["registry.db.key"]
    assert made[0].stat().st_mode & 0o777 == 0o600
    sealed = rings[0].seal("x", PLACE)
    assert [held.open(sealed, PLACE) for held in rings] == ["x"] * 8


def test_a_place_where_no_key_can_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"registry\.db\.key cannot be made"):
        sealing.keyring(Settings(), tmp_path / "missing" / "registry.db")


def test_keys_are_random() -> None:
    assert len({sealing.new_key() for _ in range(10)}) == 10
    assert ring(secrets.token_urlsafe(32))
