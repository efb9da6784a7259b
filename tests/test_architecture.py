"""The tree holds itself to the map: names, sizes, phases. Layers are import-linter's, purity is ruff's banned-api."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("policies", "registry", "gateway", "weighbridge")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PHASES = {"authenticate", "authorize", "limit", "validate", "announce"}
LARGEST = 420
"""Lines. A module longer than this wants to be two."""


def test_the_packages_were_found() -> None:
    assert len(MODULES) > 60


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_small_and_says_what_it_owns(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LARGEST
    if text.strip() and "migrations/versions" not in str(path):
        assert text.startswith(('"""', "#")), "a module opens by saying what it owns"


def test_no_room_is_called_after_nothing() -> None:
    nothing = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "base", "service"}
    assert [path for path in MODULES if path.stem in nothing or path.parent.name in nothing] == []


def test_traffic_files_begin_with_their_phase() -> None:
    files = [path.stem for path in (ROOT / "policies" / "traffic").glob("*.py") if path.stem != "__init__"]
    policies = [name for name in files if "_" in name]
    assert {name.partition("_")[0] for name in policies} == PHASES


def test_importing_policies_loads_no_framework() -> None:
    code = (
        "import sys; from policies import catalog; catalog.discover(); import policies.model.snapshot\n"
        "heavy = {'sqlalchemy', 'redis', 'httpx', 'connexion', 'starlette', 'uvicorn', 'hypothesis', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("plane", "strangers"),
    [
        ("gateway.server", {"registry", "sqlalchemy", "connexion"}),
        ("registry.publishing", {"gateway", "redis"}),
    ],
)
def test_a_plane_does_not_load_the_other(plane: str, strangers: set[str]) -> None:
    code = f"import sys, {plane}; print(sorted({strangers!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
