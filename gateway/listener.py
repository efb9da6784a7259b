"""One worker's door: accept clients, keep the sweep going, and close without dropping anybody.

Must not know: processes and signals (`gateway.server`). The one subtle thing is the order of a drain: say "not ready",
give load balancers their notice while still accepting, turn newcomers away, accept those who had already knocked,
close, let every exchange finish, and only then cut. A listener that is simply closed resets whoever waits in its queue.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct

from gateway.connection import Connection
from gateway.door import Door
from gateway.tls import Handshakes, tls_context
from gateway.worker import SWEEP_SECONDS, Worker

HANDSHAKE_SECONDS = 0.2
"""For who had begun to connect before newcomers were turned away."""
_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER of Linux
# classic BPF over the TCP header: load the flags; where SYN is set drop the segment, else keep it whole
_NO_NEWCOMERS = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
)


class Listener:
    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._server: asyncio.Server | None = None
        self._sock: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept on a bound socket."""
        worker = self.worker
        base = tls_context(worker.settings)
        tls = base and Handshakes.of(lambda: base if worker.table is None else worker.table.tls or base)
        self._sock = sock
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Door(worker) if tls else Connection(worker),
            sock=sock,
            backlog=1024,
            ssl=tls,
            # who does not finish its handshake takes a descriptor, as who does not finish a head
            ssl_handshake_timeout=worker.settings.head_seconds if tls else None,
        )
        self._sweep()

    async def drain(self, *, shared: bool = False) -> None:
        """Finish what is under way, for at most the settings' `drain_seconds`; then `stop`. With `shared` somebody else
        goes on accepting on our socket: then nobody has to be turned away."""
        worker, settings = self.worker, self.worker.settings
        worker.drain()
        try:
            async with asyncio.timeout(settings.drain_seconds):
                await asyncio.sleep(settings.drain_notice_seconds)
                if not shared:
                    await self._finish_accepting()
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

    async def _finish_accepting(self) -> None:
        """Nobody new, but everybody who has knocked: an unanswered SYN is sent again a second later, and then reaches
        another gateway or is refused, while a connection that we drop from the queue is reset under a request."""
        if self._sock is not None:
            _turn_newcomers_away(self._sock)
            await asyncio.sleep(HANDSHAKE_SECONDS)
            await asyncio.sleep(0.001)  # one more turn of a loop that was late for the first

    def _stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = self._sock = None

    def _sweep(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        self.worker.sweep()


def _turn_newcomers_away(sock: socket.socket) -> None:
    """Where the kernel knows no such filter, the listener is closed as it is."""
    program = ctypes.create_string_buffer(_NO_NEWCOMERS)
    try:
        filters = struct.pack("@HP", len(_NO_NEWCOMERS) // 8, ctypes.addressof(program))
        sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, filters)
    except OSError:
        pass
