"""The real registry and its database, dead for a minute in three ways."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import make_url

from tests.e2e.test_main_job import NOTES
from tests.soak.chaos import Chaos, Mode
from tests.soak.load import Load
from tests.soak.rig import ROOT, Counting, Gateway, free_ports, running, soak, until
from weighbridge.client import Client as Management

KEY = "soak-bootstrap-key"
SECRETS_KEY = "c29hay1zb2FrLXNvYWstc29hay1zb2FrLXNvYWstLS0="
SECONDS = 20
"""Of each way to be dead."""


class Registry:
    """The registry as a process."""

    def __init__(self, home: Path, database: str) -> None:
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._home = home
        self._database = database
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
        return {**clean, "WEIGHBRIDGE_URL": self.url, "WEIGHBRIDGE_KEY": KEY, "WEIGHBRIDGE_HOME": str(self._home)}

    async def start(self) -> None:
        settings = {
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "DATABASE_URL": self._database,
            "ADMIN_KEY": KEY,
            "SECRETS_KEY": SECRETS_KEY,
        }
        told = {f"WEIGHBRIDGE_REGISTRY_{name}": value for name, value in settings.items()}
        with (self._home / "registry.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "weighbridge", "registry"],
                cwd=ROOT,
                env={**self.environment, **told},
                stdout=log,
                stderr=log,
            )
        await until(self.answers, 20)

    async def answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
        except OSError:
            return False
        return b" 200 " in answer[:20]

    async def run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "weighbridge", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@soak
async def test_a_registry_that_is_dead_for_a_minute(tmp_path: Path, fresh_postgres: str) -> None:
    address = make_url(fresh_postgres)
    assert address.port is not None
    async with Counting() as steady, Chaos("127.0.0.1", address.port) as database:
        behind = address.set(port=database.port).render_as_string(hide_password=False)
        registry = Registry(tmp_path, behind)
        await registry.start()
        process = registry.process
        assert process is not None
        try:
            folder = tmp_path / "notes"
            folder.mkdir()
            (folder / "contract.yaml").write_text(
                "name: notes\ntitle: Dock notes\nowner: note-desk\naudience: internal\n"
                f"upstreams:\n  default: {{url: '{steady.url}'}}\n"
            )
            (folder / "1.0.0.yaml").write_text(NOTES.format(number="1.0.0", more=""))
            await registry.run("apply", str(folder))
            management = Management(registry.url, KEY)
            plan = {"name": "wide", "limits": [{"name": "each", "requests": 1_000_000, "window": 10}]}
            await asyncio.to_thread(management.put, "/v1/plans/wide", plan)
            who = ("--consumer", "dock", "--audience", "internal", "--scope", "notes:read")
            await registry.run("apps", "create", "reader", *who)
            await registry.run("apps", "subscribe", "reader", "notes@1", "--plan", "wide")
            key = await registry.run("apps", "key", "reader")
            gateway = Gateway(tmp_path / "state", registry.url, workers=2, more={"REGISTRY_KEY": KEY})
            async with running(gateway), Load(gateway, route="/notes/v1/notes/", key=key) as load:
                await load.calm()
                database.mode = Mode.BLACK_HOLE
                await asyncio.sleep(SECONDS)
                os.kill(process.pid, signal.SIGSTOP)
                await asyncio.sleep(SECONDS)
                registry.kill()
                await asyncio.sleep(SECONDS)
                told = (await gateway.readyz())[1]
                assert told["status"] == "ready"
                assert told["snapshot"]["age_seconds"] > SECONDS
                database.mode = Mode.PASS
                database.drop()
                await registry.start()
                began = time.monotonic()
                plan["limits"] = [{"name": "each", "requests": 2_000_000, "window": 10}]
                await asyncio.to_thread(management.put, "/v1/plans/wide", plan)
                revision = (await asyncio.to_thread(management.get, "/v1/snapshot"))["snapshot"]["revision"]
                await until(lambda: gateway.serves(revision))
                resync = time.monotonic() - began
                await load.stop()
                load.clean("1 registry and database dead", for_s=3 * SECONDS, resync_s=round(resync, 1))
                assert resync < 5
            management.close()
        finally:
            registry.kill()
