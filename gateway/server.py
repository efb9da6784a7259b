"""Processes and signals: one worker per core on one port, told to drain by SIGTERM, cut by a second one.

A single worker runs in the process itself. Several are forked, each with its own ``SO_REUSEPORT`` socket, so that the
kernel spreads connections and a worker that dies takes only its own with it; the parent only watches, restarts and
passes signals on. It keeps every socket open: what has connected waits there for the next worker. A worker that is told
to end while the parent goes on asks for its replacement first, so workers can be replaced one by one.

Must not know: what a request is. The one subtle thing: sockets are bound before anything else, and once without
``SO_REUSEPORT``, because with it two gateways would quietly share a port that one of them should have been refused.
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
import uvloop

from gateway import heads, rollbacks
from gateway.admin import Admin, Siblings, SnapshotState, State
from gateway.counters import OpenCounters, UnknownCounters, open_counters
from gateway.exposition import of_few_applications
from gateway.idempotency import UnknownAnswers, open_answers
from gateway.journal import configure
from gateway.keys import KeyRing
from gateway.listener import Listener
from gateway.otlp import InvalidCollector, collector, open_tracer
from gateway.pipeline import Pipeline, Table
from gateway.reporting import Reporter
from gateway.settings import Settings
from gateway.sink import Sink
from gateway.snapshots import Snapshots
from gateway.telemetry import Telemetry
from gateway.tls import InvalidCertificate, tls_context, valid_until
from gateway.totals import Totals
from gateway.worker import Worker
from policies.outgoing import Networks

CANNOT_START = 2
RESTART_SECONDS = 1.0
SHORT_OF_EXPIRY = timedelta(days=14)
OWN_FILES = 64
"""Descriptors of a worker that are neither a client's nor an upstream's."""
PARENT_SECONDS = 0.1
"""A signal may go to the whole group of processes: so long a worker waits to see whether its parent ends as well."""

_log = structlog.get_logger("gateway")


class CannotStart(Exception):
    """What the operator has to change, in one line."""


@dataclass(frozen=True)
class Place:
    """A worker's own part of the gateway: its sockets, and where it meets the others."""

    index: int
    listener: socket.socket
    admin: socket.socket | None
    directory: Path
    parent: int | None = None
    """Readable once the parent process ends, in order or not."""
    asks: int | None = None
    """Takes the index of a worker that wants to be replaced; the parent looks when it gets ``SIGUSR1``."""


def serve(settings: Settings) -> int:
    """Run in the foreground until SIGTERM or SIGINT; returns the exit code. Raises `CannotStart`."""
    try:
        counters = open_counters(settings.counters_url)
        answers = open_answers(settings.idempotency_url, settings.state_dir, settings.idempotency_seconds)
    except (UnknownCounters, UnknownAnswers) as error:
        raise CannotStart(str(error)) from error
    del counters, answers  # each worker opens its own
    try:
        tls_context(settings)
        collector(settings)
    except (InvalidCertificate, InvalidCollector) as error:
        raise CannotStart(str(error)) from error
    admin = _bind(settings.admin_host, settings.admin_port)
    admin.listen(64)
    listeners = _listeners(settings)
    directory = Path(tempfile.mkdtemp(prefix="weighbridge-"))
    places = [Place(index, sock, admin if index == 0 else None, directory) for index, sock in enumerate(listeners)]
    try:
        return _run(settings, places[0]) if len(places) == 1 else _supervise(settings, places)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError as error:
        raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return sock


def _listeners(settings: Settings) -> list[socket.socket]:
    """One bound socket per worker, all on one port. Raises `CannotStart`."""
    alone = _bind(settings.host, settings.port)
    port = alone.getsockname()[1]
    if settings.workers == 1:
        try:
            alone.listen(1024)
        except OSError as error:
            raise CannotStart(f"cannot listen on {settings.host}:{port}: {error.strerror}") from error
        return [alone]
    alone.close()
    return [_bind(settings.host, port, shared=True) for _ in range(settings.workers)]


# -- several workers --------------------------------------------------------------------------------------------------


def _supervise(settings: Settings, places: list[Place]) -> int:
    """Fork, watch, restart; end the workers by ending the pipe that all of them read."""
    running: dict[int, tuple[Place, float]] = {}
    stopping = False
    alive, asks = os.pipe(), os.pipe()
    os.set_blocking(asks[0], False)

    def start(place: Place) -> None:
        running[_fork(settings, place, places, alive, asks)] = (place, time.monotonic())

    def stop(number: int, _: object) -> None:
        nonlocal stopping
        if stopping:
            for pid in list(running):
                os.kill(pid, number)
            return
        stopping = True
        for place in places:  # our copies would keep the sockets accepting after the workers closed theirs
            place.listener.close()
            if place.admin is not None:
                place.admin.close()
        os.close(alive[1])

    def replace_those_who_ask(*_: object) -> None:
        for index in os.read(asks[0], 64):
            if not stopping:
                start(places[index])

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGUSR1, replace_those_who_ask)
    for place in places:
        start(place)
    code = 0
    while running:
        pid, status = os.wait()
        place, since = running.pop(pid)
        if os.waitstatus_to_exitcode(status) == CANNOT_START:  # it would fail again, and has said why
            code = CANNOT_START
            if not stopping:
                stop(signal.SIGTERM, None)
        elif not stopping and all(place is not other for other, _ in running.values()):
            _tell(f"worker {place.index} ended ({status}), restarting")
            # one that falls over as soon as it stands must not fork without end; clients wait for any other
            time.sleep(max(0.0, since + RESTART_SECONDS - time.monotonic()))
            if not stopping:
                start(place)
    return code


def _fork(settings: Settings, place: Place, places: list[Place], alive: tuple[int, int], asks: tuple[int, int]) -> int:
    """Only the parent keeps the writing end of `alive`: when it ends, its workers read the end of the pipe."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        for other in places:
            if other is not place:
                other.listener.close()
                if other.admin is not None:
                    other.admin.close()
        os.close(alive[1])
        os.close(asks[0])
        code = _run(settings, replace(place, parent=alive[0], asks=asks[1]))
    except CannotStart as error:
        code = CANNOT_START
        _tell(str(error))
    finally:
        os._exit(code)


def _tell(message: str) -> None:
    """One line to standard error, or none: a log that is full or that nobody reads must not hold up the watch."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"weighbridge gateway: {message}\n".encode())
    except OSError:
        pass


# -- one worker -------------------------------------------------------------------------------------------------------


def _run(settings: Settings, place: Place) -> int:
    heads.restart_ids()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_work(settings, place))


def _affordable(settings: Settings) -> Settings:
    """As many clients as there are descriptors for, each with one for its upstream: to turn a client away is better
    than to accept it and then have no connection to where it wants to go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OWN_FILES + 2 * settings.max_connections
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft >= wanted:
        return settings
    most = max(1, (soft - OWN_FILES) // 2)
    _log.warning("fewer connections than set", max_connections=most, file_descriptors=soft)
    return settings.model_copy(update={"max_connections": most})


async def _work(settings: Settings, place: Place) -> int:
    journal = Sink("!")
    configure(settings, journal)
    settings = _affordable(settings)
    try:
        access = Sink(settings.access_log) if settings.access_log else None
    except OSError as error:
        raise CannotStart(f"cannot write the access log {settings.access_log}: {error.strerror}") from error
    telemetry = Telemetry(access, settings.access_log_share, settings.access_log_slow_seconds)
    tracer = open_tracer(settings)
    worker = Worker(settings, telemetry, tracer)
    counters = open_counters(settings.counters_url, settings.state_dir)
    await counters.start()
    pipeline = Pipeline(counters, KeyRing(Networks.parse(settings.keys_networks)), settings)

    def swap(table: Table) -> None:
        worker.table = table

    snapshots = Snapshots(settings, pipeline, swap)
    await snapshots.start()
    following = asyncio.create_task(_follow(snapshots))
    reporter = Reporter(settings, worker.usage)
    reporting = asyncio.create_task(reporter.run()) if settings.usage_report_seconds else None
    telling = asyncio.create_task(rollbacks.report(settings, pipeline.tryouts))

    def describe() -> State:
        state = _describe(place, worker, snapshots, counters, reporter)
        state.samples.extend(pipeline.tryouts.reading())
        return state

    siblings = Siblings(place.directory, place.index, settings.workers, describe)
    if settings.workers > 1:
        await siblings.start()
    admin = Admin(siblings.gather, Totals(place.directory / "totals" if settings.workers > 1 else None))
    if place.admin is not None:
        await admin.start(place.admin)
    listener = Listener(worker)
    stop, cut, orphaned = _signals(place.parent)
    await listener.start(place.listener)
    if place.index == 0:
        _say_hello(settings, place)
    await stop.wait()
    _log.info("draining", connections=len(worker.connections), seconds=settings.drain_seconds)
    replaced = await _asked_for_replacement(place, orphaned)
    if replaced:
        admin.stop()  # the other one answers for the gateway
    drained = asyncio.create_task(listener.drain(shared=replaced))
    await asyncio.wait([drained, asyncio.create_task(cut.wait())], return_when=asyncio.FIRST_COMPLETED)
    await listener.stop()
    if reporting is not None:
        reporting.cancel()
        flushed = asyncio.create_task(reporter.flush())
        await asyncio.wait([flushed, asyncio.create_task(cut.wait())], return_when=asyncio.FIRST_COMPLETED)
    admin.stop()
    siblings.stop()
    following.cancel()
    telling.cancel()
    await asyncio.gather(following, telling, return_exceptions=True)
    await counters.close()
    if tracer is not None:
        tracer.close()
    await worker.finish()
    _log.info("stopped")
    for sink in (access, journal):
        if sink is not None:
            sink.close()
    return 0


async def _follow(snapshots: Snapshots[Table]) -> None:
    """Follow the registry for as long as the worker lives, whatever happens."""
    while True:
        try:
            await snapshots.run()
        except Exception:
            _log.exception("following the registry failed, starting over")
        await asyncio.sleep(RESTART_SECONDS)


def _signals(parent: int | None) -> tuple[asyncio.Event, asyncio.Event, asyncio.Event]:
    """Set by the first and by the second signal to end, and by the end of the parent, which counts as a signal."""
    first, second, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        (second if first.is_set() else first).set()

    def orphaned(descriptor: int) -> None:
        loop.remove_reader(descriptor)
        ended.set()
        first.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    if parent is not None:
        loop.add_reader(parent, orphaned, parent)
    return first, second, ended


async def _asked_for_replacement(place: Place, orphaned: asyncio.Event) -> bool:
    """A worker that was told to end while its parent goes on asks to be replaced at once: its socket stays open, and
    whoever connects meanwhile would wait there until the drain is over."""
    if place.asks is None:
        return False
    try:
        async with asyncio.timeout(PARENT_SECONDS):
            await orphaned.wait()
    except TimeoutError:
        os.write(place.asks, bytes([place.index]))
        os.kill(os.getppid(), signal.SIGUSR1)
        return True
    return False


def _describe(
    place: Place, worker: Worker, snapshots: Snapshots[Table], counters: OpenCounters, reporter: Reporter
) -> State:
    table = worker.table
    reasons = (["draining"] if worker.draining else []) + (["no snapshot yet"] if table is None else [])
    samples: list[tuple[str, list[str], Any]] = [
        *worker.telemetry.reading(),
        *of_few_applications(worker.usage.reading(), worker.settings.metrics_applications),
        *reporter.reading(),
        *(() if worker.tracer is None else worker.tracer.reading()),
        ("connections", [], len(worker.connections)),
        ("snapshots_refused", [], snapshots.refused),
        ("counters_lost", [], int(counters.lost)),
        *worker.reading(),
    ]
    for pool in worker.upstreams.reading():
        upstream = pool.pop("upstream")
        samples += [(f"upstream_{name}", [upstream], value) for name, value in pool.items()]
    snapshot = None
    if table is not None:
        snapshot = SnapshotState(
            revision=table.revision,
            digest=table.digest,
            compiled_at=table.compiled_at,
            routes=table.route_count,
            age_seconds=snapshots.age(time.monotonic()),
        )
    return State(
        worker=place.index,
        process=os.getpid(),
        reasons=reasons,
        snapshot=snapshot,
        last_error=snapshots.last_error,
        samples=samples,
    )


def _say_hello(settings: Settings, place: Place) -> None:
    host, port = place.listener.getsockname()[:2]
    _log.info("listening", host=host, port=port, workers=settings.workers)
    until = valid_until(settings)
    if until is not None and (left := until - datetime.now(UTC)) < SHORT_OF_EXPIRY:
        event = "the TLS certificate has expired" if left <= timedelta() else "the TLS certificate expires soon"
        _log.warning(event, file=str(settings.tls_certificate), until=until.isoformat())
    if settings.workers > 1 and settings.counters_url.startswith("memory:"):
        _log.warning(
            "each worker counts rates for itself: they hold per worker, only quotas are counted together; "
            "set COUNTERS_URL to redis://... to count all of them together"
        )
    if settings.idempotency_url.startswith("sqlite:") and not settings.counters_url.startswith("memory:"):
        _log.warning(
            "answers to calls with a key are kept by this gateway alone: another one would send a repeat again; "
            "set IDEMPOTENCY_URL to redis://... to keep them together"
        )
