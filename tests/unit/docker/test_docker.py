"""The container files, checked without an engine: hadolint, Compose's own reader, and the settings they name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from gateway.settings import Settings as GatewaySettings
from registry.settings import Settings as RegistrySettings
from weighbridge.demo.backends.settings import Settings as DemoSettings
from weighbridge.settings import ClientSettings

ROOT = Path(__file__).resolve().parents[3]
DOCKER = ROOT / "docker"
BIN = Path(sys.executable).parent
SECRETS = {
    "POSTGRES_PASSWORD": "a-password",
    "WEIGHBRIDGE_ADMIN_KEY": "a-key-of-sixteen-or-more",
    "WEIGHBRIDGE_SECRETS_KEY": "a-key-of-thirty-two-bytes-or-so-in-base64",
}
OURS = ("backends", "contracts", "gateway-1", "gateway-2", "registry")
SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway-1": GatewaySettings,
    "gateway-2": GatewaySettings,
    "registry": RegistrySettings,
    "contracts": ClientSettings,
    "backends": DemoSettings,
}


def compose(*arguments: str, secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # PATH alone: what else stands in this environment must not leak into the answer
    return subprocess.run(
        [BIN / "docker-compose", "-f", DOCKER / "compose.yaml", "--env-file", os.devnull, "config", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **secrets},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    read = compose("--format", "json", secrets=SECRETS)
    assert read.returncode == 0, read.stderr
    found: dict[str, Any] = json.loads(read.stdout)["services"]
    return found


def test_the_dockerfile_is_clean() -> None:
    lint = subprocess.run([BIN / "hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout) == (0, "")


def test_the_compose_file_is_read_without_complaint() -> None:
    read = compose("-q", secrets=SECRETS)
    assert (read.returncode, read.stdout, read.stderr) == (0, "", "")


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_a_missing_secret_stops_it_with_a_hint(missing: str) -> None:
    read = compose("-q", secrets={name: value for name, value in SECRETS.items() if name != missing})
    assert read.returncode != 0
    assert f"required variable {missing} is missing a value: see docker/.env.example" in read.stderr


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    lines = (DOCKER / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert example.keys() == used
    assert {name for name, value in example.items() if value} == {"WEIGHBRIDGE_ISSUER", "WEIGHBRIDGE_GATEWAY_URL"}
    assert all(value not in text for value in SECRETS.values())


def test_who_runs(services: dict[str, Any]) -> None:
    assert sorted(services) == [
        "answers", "backends", "contracts", "gateway-1", "gateway-2", "postgres", "registry", "valkey",
    ]  # fmt: skip
    assert {services[name]["image"] for name in OURS} == {"weighbridge:local"}
    assert services["postgres"]["image"].startswith("postgres:18")
    assert services["valkey"]["image"].startswith("valkey/valkey:9")


@pytest.mark.parametrize("name", OURS)
def test_environment_names_are_settings(services: dict[str, Any], name: str) -> None:
    settings = SETTINGS[name]
    prefix = str(settings.model_config["env_prefix"])
    known = {prefix + field.upper() for field in settings.model_fields} | {"HEALTH_URL"}
    if name == "contracts":
        texts = (path.read_text(encoding="utf-8") for path in (ROOT / "specs" / "services").glob("*/contract.yaml"))
        known |= {variable for text in texts for variable in re.findall(r"\$\{(WEIGHBRIDGE_[A-Z0-9_]+)", text)}
    environment = services[name]["environment"]
    assert set(environment) <= known
    values = {
        field: environment[prefix + field.upper()]
        for field in settings.model_fields
        if prefix + field.upper() in environment
    }
    assert values
    # raises for a value that is not what its field says
    settings(**values)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ()))
    published = {port["target"] for port in service.get("ports", ())}
    # neither the operator's door nor a backend is for the outside
    assert published <= {8000, 8080}


def test_everything_that_runs_is_asked_for_its_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name == "contracts":
            assert service["healthcheck"] == {"disable": True}
        elif name in OURS:
            assert service["environment"]["HEALTH_URL"].startswith("http://127.0.0.1:")
        else:
            assert service["healthcheck"]["test"][0] == "CMD"
        for needed in service.get("depends_on", {}).values():
            assert needed["condition"] == "service_healthy"


def test_commands_are_commands(services: dict[str, Any]) -> None:
    for name in OURS:
        command = services[name]["command"]
        helped = subprocess.run(
            [BIN / "weighbridge", command[0], "--help"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "COLUMNS": "200", "NO_COLOR": "1"},
        )
        assert helped.returncode == 0, helped.stderr
        assert all(option in helped.stdout for option in command if option.startswith("--"))


def test_the_image_is_built_from_what_there_is_and_runs_as_nobody_special() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    copies = [line.split()[1:] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    sources = [source for *given, _ in copies for source in given]
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    ignore = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    assert all(any(source == entry or source.startswith(entry + "/") for entry in allowed) for source in sources)
    assert "--require-hashes" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert 'ENTRYPOINT ["weighbridge"]' in text
    assert not any(name in text for name in SECRETS)
