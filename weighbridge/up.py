"""`weighbridge up`: registry, gateway and demo backends as three real process groups, with the demo in place.

Owns starting, waiting, stopping and what is printed. Nothing here is a second way to run a plane: each child is the
same command with the same settings by environment as in a container. What must survive a restart (keys, client
secrets) stands in the home folder, readable by its owner only; everything else is asked of the registry.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from rich.console import Console

from weighbridge.applying import apply_folder, read_folder
from weighbridge.client import Client
from weighbridge.demo import staging
from weighbridge.errors import CommandError, Exit
from weighbridge.settings import SERVICES, read_private, write_private

SITES = ("HUB", "DAL_2", "PHX_1", "ATL_1", "TOR_1", "STJ_1")
START_SECONDS = 60.0
STOP_SECONDS = 12.0
REVIVE_SECONDS = 2.0


@dataclass(frozen=True)
class Addresses:
    """Where everything listens. The demo backends take six ports from `backends_port` on."""

    host: str
    gateway_port: int
    admin_port: int
    registry_port: int
    backends_port: int

    @property
    def gateway(self) -> str:
        return f"http://{self.host}:{self.gateway_port}"

    @property
    def admin(self) -> str:
        return f"http://{self.host}:{self.admin_port}"

    @property
    def registry(self) -> str:
        return f"http://{self.host}:{self.registry_port}"

    def backend(self, site: str) -> str:
        return f"http://{self.host}:{self.backends_port + SITES.index(site)}"

    def ports(self) -> dict[str, tuple[int, str]]:
        """Every port with its purpose and the option that moves it."""
        wanted = {
            "gateway": (self.gateway_port, "--gateway-port"),
            "gateway admin": (self.admin_port, "--admin-port"),
            "registry": (self.registry_port, "--registry-port"),
        }
        for offset, site in enumerate(SITES):
            wanted[f"demo backend {site}"] = (self.backends_port + offset, "--backends-port")
        return wanted


class Stopped(Exception):
    """Ctrl-C or SIGTERM while something was being waited for."""


class Children:
    """The started processes, in starting order. Each has its own session, so a Ctrl-C reaches us first and only us.

    Their process ids stand in ``run.json`` of the home folder, for whoever wants to see what happens when one dies.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.logs = home / "logs"
        self.commands: dict[str, tuple[list[str], Mapping[str, str]]] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.commands[name] = arguments, environment
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        write_private(self.home / "run.json", {name: process.pid for name, process in self.running.items()})

    def revive(self) -> str | None:
        """Start one process that has ended again, as an init system would; returns its name."""
        for name, process in self.running.items():
            if process.poll() is not None:
                self.start(name, *self.commands[name])
                return f"{name} (it ended with exit code {process.returncode})"
        return None

    def check(self) -> None:
        """Raises `CommandError` with the tail of the log when a child has ended."""
        for name, process in self.running.items():
            if process.poll() is not None:
                tail = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-8:]
                raise CommandError(
                    f"the {name} ended with exit code {process.returncode}; its log is {self.logs / name}.log",
                    lines=tuple(f"  {line}" for line in tail),
                )

    def stop(self) -> None:
        """Ask all to end, gateway first; after `STOP_SECONDS` end them."""
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        (self.home / "run.json").unlink(missing_ok=True)


def run(addresses: Addresses, home: Path) -> int:
    """Start everything, put the demo in place, print how to use it, and stay until Ctrl-C."""
    home = home.absolute()
    with _sole_owner(home):
        _refuse_taken_ports(addresses, leftovers=read_private(home / "run.json"))
        return _run(addresses, home)


def _run(addresses: Addresses, home: Path) -> int:
    children = Children(home)
    stopping = _stop_on_signals()
    console = Console(stderr=False, highlight=False, soft_wrap=True)
    began = rest = time.monotonic()
    try:
        summary = _start(addresses, home, children, stopping, console)
        console.print(f"[green]ready[/] after {time.monotonic() - began:.1f} s\n")
        print(summary, flush=True)
        while not stopping():
            time.sleep(REVIVE_SECONDS / 10)
            if time.monotonic() > rest and (revived := children.revive()):
                rest = time.monotonic() + REVIVE_SECONDS
                with suppress(OSError):  # whoever read us may be gone, and the demo goes on
                    print(f"weighbridge: started the {revived} again", file=sys.stderr, flush=True)
    except Stopped:
        pass
    finally:
        if children.running:
            _say_stopping()
            children.stop()
    return Exit.OK


def _say_stopping() -> None:
    """Whoever read us may be gone; the children must end all the same, and that is not what the exit code is about."""
    try:
        print("\nstopping", flush=True)
    except OSError:
        # what Python still holds back would fail again when the process ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _start(addresses: Addresses, home: Path, children: Children, stopping: Callable[[], bool], console: Console) -> str:
    def step(text: str) -> None:
        if stopping():
            raise Stopped
        console.print(f"  {text}", style="dim")

    def wait_for(url: str) -> None:
        _wait(url, children, stopping)

    admin_key = _admin_key(home)
    step(f"registry on {addresses.registry}")
    children.start(
        "registry",
        ["weighbridge", "registry"],
        {
            "WEIGHBRIDGE_REGISTRY_HOST": addresses.host,
            "WEIGHBRIDGE_REGISTRY_PORT": str(addresses.registry_port),
            "WEIGHBRIDGE_REGISTRY_DATABASE_URL": f"sqlite:///{home / 'registry.db'}",
            "WEIGHBRIDGE_REGISTRY_ADMIN_KEY": admin_key,
            "WEIGHBRIDGE_REGISTRY_ISSUER": addresses.registry,
            "WEIGHBRIDGE_REGISTRY_GATEWAY_URL": addresses.gateway,
        },
    )
    step(f"demo backends: five sites and the hub from {addresses.backend('HUB')} on")
    children.start(
        "backends",
        [
            *("weighbridge.demo.backends", "--host", addresses.host),
            *("--base-port", str(addresses.backends_port), "--data", str(home / "backends")),
        ],
        {},
    )
    wait_for(f"{addresses.registry}/readyz")
    client = Client(addresses.registry, admin_key)
    write_private(home / "client.json", {"url": addresses.registry, "key": admin_key, "admin": addresses.admin})

    step(f"gateway on {addresses.gateway}, its health and metrics on {addresses.admin}")
    children.start(
        "gateway",
        ["weighbridge", "gateway"],
        {
            "WEIGHBRIDGE_GATEWAY_HOST": addresses.host,
            "WEIGHBRIDGE_GATEWAY_PORT": str(addresses.gateway_port),
            "WEIGHBRIDGE_GATEWAY_ADMIN_HOST": addresses.host,
            "WEIGHBRIDGE_GATEWAY_ADMIN_PORT": str(addresses.admin_port),
            "WEIGHBRIDGE_GATEWAY_REGISTRY_URL": addresses.registry,
            "WEIGHBRIDGE_GATEWAY_REGISTRY_KEY": _gateway_key(client, home),
            "WEIGHBRIDGE_GATEWAY_STATE_DIR": str(home / "gateway"),
            "WEIGHBRIDGE_GATEWAY_ACCESS_LOG": str(home / "logs" / "access.log"),
        },
    )
    step("contracts from specs/services")
    os.environ |= {f"WEIGHBRIDGE_{site}": addresses.backend(site) for site in SITES}
    steps = []
    for applied in apply_folder(client, read_folder(SERVICES), dry_run=False):
        steps.append(applied)
        if stopping():
            raise Stopped
    if refused := [one for one in steps if one.refused]:
        raise CommandError(f"{refused[0].subject} was refused: {refused[0].detail}", code=Exit.REFUSED)
    changed = sum(one.outcome != "unchanged" for one in steps)
    step(f"  {changed} changed, {len(steps) - changed} unchanged")
    step("three applications with their plans, keys and subscriptions")
    demo = staging.stage(client, home / "demo.json")
    wait_for(f"{addresses.admin}/readyz")
    for site in SITES:
        wait_for(f"{addresses.backend(site)}/healthz")
    staging.wait_until_served(addresses.gateway, demo, deadline=time.monotonic() + 10)
    client.close()
    return staging.summary(addresses.gateway, addresses.registry, addresses.admin, demo, home)


def _admin_key(home: Path) -> str:
    held = read_private(home / "client.json").get("key") or read_private(home / "admin.json").get("key")
    if held is None:
        held = f"wbo_admin_{secrets.token_urlsafe(32)}"
        write_private(home / "admin.json", {"key": held})
    return str(held)


def _gateway_key(client: Client, home: Path) -> str:
    """The gateway's own key: made once, remembered, and remade when the registry does not take it for a gateway's."""
    path = home / "gateway.json"
    held = read_private(path).get("key")
    if held is None or not _is_a_gateways(client.url, held):
        for operator in client.items("/v1/operators"):
            if operator["name"] == "gateway" and not operator["revoked_at"]:
                client.delete(f"/v1/operators/{operator['id']}")
        held = client.post("/v1/operators", {"name": "gateway", "role": "gateway"})["key"]
        write_private(path, {"key": held})
    return str(held)


def _is_a_gateways(registry: str, key: str) -> bool:
    answer = httpx.get(f"{registry}/v1/whoami", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    return answer.is_success and answer.json().get("role") == "gateway"


@contextmanager
def _sole_owner(home: Path) -> Iterator[None]:
    """Hold the home folder. Two runs on one would share a database and overwrite each other's keys."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (home / "lock").open("a")
    except OSError as error:
        raise CommandError(
            f"{home} cannot hold the data ({error.strerror}): choose another folder with --home"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CommandError(
                f"another `weighbridge up` is running on {home}: stop it, or choose another folder with --home"
            ) from None
        yield


def _refuse_taken_ports(addresses: Addresses, leftovers: Mapping[str, Any]) -> None:
    """Before anything starts. `leftovers` are the processes of a run on this home that could not stop them."""
    wanted: dict[int, str] = {}
    for purpose, (port, option) in addresses.ports().items():
        if port in wanted:
            raise CommandError(
                f"port {port} is wanted for both the {wanted[port]} and the {purpose}: choose another with {option}"
            )
        wanted[port] = purpose
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((addresses.host, port))
            except OSError as error:
                pids = " ".join(str(pid) for pid in leftovers.values())
                killed = f"an earlier run was killed, `kill {pids}` ends what it left" if pids else ""
                raise CommandError(
                    f"port {port} of {addresses.host} cannot be used for the {purpose} ({error.strerror}): "
                    f"{killed or 'stop what listens there'}, or choose another with {option}"
                ) from error


def _wait(url: str, children: Children, stopping: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if stopping():
            raise Stopped
        children.check()
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise CommandError(f"{url} did not answer within {START_SECONDS:.0f} s; logs are in {children.logs}")
        time.sleep(0.05)


def _stop_on_signals() -> Callable[[], bool]:
    asked = False

    def ask(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            with suppress(OSError):
                print("weighbridge: stopping already", file=sys.stderr)
        asked = True

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # closing the terminal; nohup means to outlive it
        signal.signal(signal.SIGHUP, ask)
    return lambda: asked
