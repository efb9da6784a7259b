from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from registry.api.desk import Desk
from registry.cli import configured
from registry.settings import Settings
from registry.store import Store


@pytest.mark.parametrize(
    ("trusted", "asking", "last"),
    [
        ("", "127.0.0.1", 429),  # one source, whatever it claims
        ("127.0.0.1", "127.0.0.1", 401),  # a proxy of ours tells three
        ("127.0.0.1", "192.0.2.1", 429),  # somebody else does not
        ("10.0.0.0/8,192.0.2.1", "192.0.2.1", 401),
    ],
)
def test_whose_word_is_taken_for_who_asks(store: Store, trusted: str, asking: str, last: int) -> None:
    settings = Settings(admin_key="0123456789abcdef0123456789abcdef", key_guesses=2, trusted_proxies=trusted)
    config = configured(Desk(store, settings, lambda: 1_800_000_000))
    config.load()
    client = TestClient(config.loaded_app, client=(asking, 50000))
    statuses = [
        client.get(
            "/v1/whoami", headers={"Authorization": "Bearer wrong", "X-Forwarded-For": f"198.51.100.{number}"}
        ).status_code
        for number in range(3)
    ]
    assert statuses == [401, 401, last]
