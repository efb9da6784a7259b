from __future__ import annotations

import pytest
from pydantic import ValidationError

from registry.settings import Settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_REGISTRY_PORT", "9999")
    monkeypatch.setenv("WEIGHBRIDGE_REGISTRY_ADMIN_KEY", "a-key-that-is-long-enough")
    settings = Settings()
    assert settings.port == 9999
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == "a-key-that-is-long-enough"


def test_no_secret_is_in_the_repr() -> None:
    settings = Settings(admin_key="a-key-that-is-long-enough", database_url="postgresql://u:hunter2@db/x")  # type: ignore[arg-type]
    assert "long-enough" not in repr(settings)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("TOKEN_SECONDS", "86401"), ("ADMIN_KEY", "short"), ("LOG", "xml")]
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"WEIGHBRIDGE_REGISTRY_{name}", value)
    with pytest.raises(ValidationError):
        Settings()
