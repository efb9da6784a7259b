"""A few warm child processes that validate documents; the parent's side.

Owns their life: started when first needed, lent to one thread at a time, killed when too slow, replaced after a number
of jobs (the validator's caches grow). Safe to call from many threads. A child inherits no environment, hence no secret.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import threading
import time
from queue import Empty, LifoQueue
from typing import Any

import orjson

from registry.documents.reading import Limits

MAX_JOBS = 50


class WorkerFailed(Exception):
    """The child did not answer. The message says why, in words for the publisher."""


class Workers:
    """At most `size` documents are validated at once; further callers wait their turn."""

    def __init__(self, limits: Limits, size: int = 2) -> None:
        self._limits = limits
        self._slots = threading.BoundedSemaphore(size)
        self._idle: LifoQueue[_Child] = LifoQueue()

    def warm(self) -> None:
        """Have one child ready before the first document needs it."""
        if self._idle.empty():
            self._idle.put(_Child(self._limits))

    def faults(self, tree: dict[str, Any]) -> list[tuple[str, str]]:
        """(pointer, detail) of everything wrong with a screened document. Raises `WorkerFailed`."""
        job = orjson.dumps(tree)
        if not self._slots.acquire(timeout=self._limits.seconds):
            raise WorkerFailed("too many documents are being validated; try again")
        try:
            child = self._take()
            try:
                answer = child.ask(job, self._limits.seconds)
            except BaseException:
                child.kill()
                raise
            child.jobs += 1
            if child.jobs < MAX_JOBS:
                self._idle.put(child)
            else:
                child.close()
        finally:
            self._slots.release()
        return [(pointer, detail) for pointer, detail in orjson.loads(answer)["faults"]]

    def close(self) -> None:
        """End every idle child and wait for it."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _take(self) -> _Child:
        while True:
            try:
                child = self._idle.get_nowait()
            except Empty:
                return _Child(self._limits)
            if child.is_alive():
                return child
            child.kill()


class _Child:
    def __init__(self, limits: Limits) -> None:
        self.jobs = 0
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "registry.documents.validating",
                str(limits.memory),
                str(int(limits.seconds)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,  # Ctrl-C in the terminal is the parent's affair
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._write = self._process.stdin.fileno()
        self._read = self._process.stdout.fileno()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, job: bytes, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        try:
            self._send(struct.pack(">I", len(job)) + job, deadline)
            length: int = struct.unpack(">I", self._receive(4, deadline))[0]
            return self._receive(length, deadline)
        except TimeoutError:
            raise WorkerFailed(f"validating the document took more than {seconds:g} s") from None
        except (BrokenPipeError, EOFError):
            raise WorkerFailed("validating the document needed more memory or stack than it may have") from None

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            _wait(self._write, deadline, write=True)
            view = view[os.write(self._write, view[:65536]) :]

    def _receive(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            _wait(self._read, deadline, write=False)
            part = os.read(self._read, size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def close(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def kill(self) -> None:
        self._process.kill()
        self.close()


def _wait(descriptor: int, deadline: float, *, write: bool) -> None:
    left = deadline - time.monotonic()
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if write else select.POLLIN)
    if left <= 0 or not poll.poll(left * 1000):
        raise TimeoutError
