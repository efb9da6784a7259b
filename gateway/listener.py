"""One worker's door: accept clients, keep the sweep going, and close without dropping anybody.

Must not know: processes and signals (`gateway.server`). The one subtle thing is the order of a drain: say "not ready",
give load balancers their notice while still accepting, stop accepting, let every exchange finish, and only then cut.
"""

from __future__ import annotations

import asyncio
import socket

from gateway.connection import Connection
from gateway.door import Door, tls_context
from gateway.worker import SWEEP_SECONDS, Worker


class Listener:
    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept on a bound socket."""
        worker = self.worker
        tls = tls_context(worker.settings)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Door(worker) if tls else Connection(worker), sock=sock, backlog=1024, ssl=tls
        )
        self._sweep()

    async def drain(self) -> None:
        """Finish what is under way, for at most the settings' `drain_seconds`; then `stop`."""
        worker, settings = self.worker, self.worker.settings
        worker.drain()
        try:
            async with asyncio.timeout(settings.drain_seconds):
                await asyncio.sleep(settings.drain_notice_seconds)
                self._stop_accepting()
                await worker.emptied.wait()
        except TimeoutError:
            pass
        await self.stop()

    async def stop(self) -> None:
        """Cut whatever is left, now."""
        self._stop_accepting()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.worker.cut()
        await asyncio.sleep(0)  # let the transports report their end

    def _stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _sweep(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        self.worker.sweep()
