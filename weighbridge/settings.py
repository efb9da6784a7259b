"""Where the command line finds the registry, and the folder that `weighbridge up` keeps its things in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from weighbridge.errors import CommandError

PROJECT = Path(__file__).resolve().parent.parent
"""The folder that holds ``specs/``: the checkout, or site-packages once installed."""

SERVICES = PROJECT / "specs" / "services"


class ClientSettings(BaseSettings):
    """Settings of the command line; each is an environment variable ``WEIGHBRIDGE_<NAME>``.

    Without them the command line uses what `weighbridge up` left in `home`, so that the demo needs no setting at all.
    """

    model_config = SettingsConfigDict(env_prefix="WEIGHBRIDGE_")

    url: str | None = None
    """Address of the registry, ``http://127.0.0.1:8080``."""
    key: SecretStr | None = None
    """Management key, ``wbo_...``."""
    home: Path = Path(".weighbridge")
    """Folder of `weighbridge up`: database, last good snapshot, demo credentials."""


def read_private(path: Path) -> dict[str, Any]:
    """A JSON file that `write_private` wrote; empty when there is none. Raises `CommandError` for anything else."""
    try:
        held = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise _spoiled(path, getattr(error, "strerror", None) or "not JSON") from error
    if not isinstance(held, dict):
        raise _spoiled(path, "not an object")
    return held


def _spoiled(path: Path, reason: str) -> CommandError:
    return CommandError(f"{path} cannot be read ({reason}): move it away, and `weighbridge up` writes it anew")


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(path)
