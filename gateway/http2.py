"""One client connection that speaks HTTP/2: its streams become the same exchanges that HTTP/1.1 requests become.

Owns the translation, frames to heads and bodies and back, and what HTTP/2 adds to be guarded: flow control both ways,
and clients that keep us busy with frames instead of requests (resets, settings, pings; RFC 9113 section 10.5). The
`h2` library keeps the state of the protocol and refuses what breaks it.

Must not know: policies, upstreams. The one subtle thing: what the library wants sent is handed over once per read, not
once per frame (`send`).
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    AlternativeServiceAvailable,
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    PingReceived,
    PriorityUpdated,
    RemoteSettingsChanged,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    UnknownFrameReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from gateway import clients, framing, target
from gateway.fields import Fields
from gateway.reading import PERMITTED
from gateway.replies import NOT_IMPLEMENTED
from gateway.streams import Head, Stream
from gateway.worker import Worker
from policies.traffic import Exchange, Problem

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
MAX_STREAMS = 100
STREAM_WINDOW = 65_535
CONNECTION_WINDOW = MAX_STREAMS * STREAM_WINDOW
NUISANCES = 200
NUISANCE_SECONDS = 10.0
"""So many frames that ask nothing (resets, settings, pings, priorities) in so many seconds end the connection."""
SPARE_UPDATES = 200
"""Window updates beyond four for each frame of data that we sent count among them."""
SLICE = 8_192
"""Bytes read in one go: small frames are much work, and others want to be served as well."""
_ASKS_NOTHING = (
    PingReceived,
    PingAckReceived,
    PriorityUpdated,
    SettingsAcknowledged,
    UnknownFrameReceived,
    AlternativeServiceAvailable,
)


class Http2(asyncio.Protocol):
    """What `gateway.connection.Connection` is for HTTP/1.1."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.deadline = math.inf
        self.streams: dict[int, Stream] = {}
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._certificate: Any = None
        self._paused = self._leaving = self._receiving = self._trusted = self._slowed = False
        self._unread = b""
        self.frames_sent = self._updates = 0
        self._asked, self._asked_before = 0, 0  # streams so far, and until this second
        self._second = -math.inf
        self._nuisances = 0
        self._counted_since = worker.now

    # -- asyncio --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        worker = self.worker
        self._transport = cast(asyncio.Transport, transport)
        peer = worker.admit(self, transport)
        if peer is None:
            self._transport.abort()
            return
        self._peer = peer
        self._trusted = worker.visitors.is_proxy(peer)
        if worker.knows_certificates:
            self._certificate = clients.shown(transport, peer, worker.settings.trusted_proxies)
        self.h2.local_settings.update(
            {
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: worker.settings.max_head_bytes,
                SettingCodes.ENABLE_PUSH: 0,
            }
        )
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(CONNECTION_WINDOW - STREAM_WINDOW)
        self.send()
        self.set_deadline()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None
        self.worker.left(self)
        streams, self.streams = list(self.streams.values()), {}
        for stream in streams:
            stream.lost()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return  # it was ended for what it sent: no more of that is read
        if self._unread:
            self._unread += data
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Read a slice of what came; the rest when everybody else had their turn."""
        transport = self._transport
        broken = False
        self._receiving = True
        try:
            for event in self.h2.receive_data(data[:SLICE]):
                self._on(event)
        except ProtocolError:
            broken = True
        finally:
            self._receiving = False
        self.send()
        if broken or (self._leaving and not self.streams):
            self._close()  # what is still under way ends with the connection
        elif len(data) > SLICE and transport is not None and not transport.is_closing():
            self._unread = data[SLICE:]
            transport.pause_reading()
            if not self._slowed:
                asyncio.get_running_loop().call_soon(self._read_on)
        self.set_deadline()

    def _read_on(self) -> None:
        if self._slowed or self._transport is None or self._transport.is_closing():
            return
        data, self._unread = self._unread, b""
        if data:
            self._take(data)
        if not self._unread and not self._slowed and not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._paused = True
        for stream in list(self.streams.values()):
            stream.passage.client_writable(False)

    def resume_writing(self) -> None:
        self._paused = False
        for stream in list(self.streams.values()):
            stream.flush()
        self.send()

    # -- what streams ask --

    def send(self) -> None:
        """Hand over what the protocol has to say; within `data_received` that happens once, at its end."""
        if self._receiving:
            return
        data = self.h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    @property
    def is_paused(self) -> bool:
        return self._paused

    def ended(self, stream: Stream) -> None:
        self.streams.pop(stream.id, None)
        if self.worker.draining or self._asked >= self.worker.settings.max_requests_per_connection:
            self._leave()  # behind the reply: some clients give up what they wait for when they read it
        self.send()
        if self._leaving and not self.streams and not self._receiving:
            self._close()
        self.set_deadline()

    def set_deadline(self) -> None:
        """The next moment at which somebody has waited too long."""
        if self.streams:
            self.deadline = min(stream.deadline for stream in self.streams.values())
        else:
            self.deadline = self.worker.now + self.worker.settings.idle_seconds

    # -- what the sweep asks (see `gateway.worker.Swept`) --

    @property
    def is_idle(self) -> bool:
        return not self.streams

    def expire(self) -> None:
        now = time.monotonic()
        if not self.streams:
            self._leave()
            self._close()
        for stream in list(self.streams.values()):  # and the connection stays, or the client may never read why
            if stream.deadline < now:
                stream.expire()
        self.send()
        self.set_deadline()

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- events --

    def _on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, DataReceived):
            self._body(event)
        elif isinstance(event, StreamEnded):
            if (stream := self.streams.get(event.stream_id or 0)) is not None:
                stream.received(b"", True)
        elif isinstance(event, WindowUpdated):
            self._widened(event.stream_id or 0)
        elif isinstance(event, StreamReset):
            if (stream := self.streams.pop(event.stream_id or 0, None)) is not None:
                stream.lost()
            self._nuisance()
        elif isinstance(event, RemoteSettingsChanged):
            self._nuisance()
            for stream in list(self.streams.values()):
                stream.flush()
        elif isinstance(event, _ASKS_NOTHING):
            self._nuisance()
        elif isinstance(event, ConnectionTerminated):
            self._leaving = True

    def _nuisance(self) -> None:
        if self.worker.now - self._counted_since > NUISANCE_SECONDS:
            self._counted_since, self._nuisances = self.worker.now, 0
        self._nuisances += 1
        if self._nuisances > NUISANCES and not self._leaving:
            self._leave(ErrorCodes.ENHANCE_YOUR_CALM)
            self._close()  # with all its streams, and their upstreams are told

    def _begin(self, event: RequestReceived) -> None:
        stream_id = event.stream_id or 0
        if self._leaving:
            self.h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self._count()
        ended = event.stream_ended is not None
        head = Head(event.headers or [])
        stream = self.streams[stream_id] = Stream(self, stream_id)
        frame = head.frame(self.worker.settings.max_headers, ended=ended)
        method = PERMITTED.get(head.method)
        if isinstance(frame, Problem):
            refusal: Problem = frame
        elif method is None:
            refusal = NOT_IMPLEMENTED
        elif len(head.path) > self.worker.settings.max_target_bytes:
            refusal = framing.TARGET_TOO_LONG
        else:
            split = target.canonical(head.path, frame.host)
            if not isinstance(split, Problem):
                stream.begin(self._exchange(method, *split, head.fields), frame)
                return
            refusal = split
        stream.refuse(self._exchange(method or "", "", "", []), refusal)

    def _exchange(self, method: str, path: str, query: str, fields: Fields) -> Exchange:
        peer = self.worker.visitors.behind(self._peer, fields) if self._trusted else self._peer
        return Exchange(method, path, query, fields, peer, time.time(), None, self._certificate)

    def _count(self) -> None:
        """One more stream: the last one for a while, perhaps."""
        settings, now = self.worker.settings, time.monotonic()
        self._asked += 1
        left = self._second + 1.0 - now
        if left <= 0:
            self._second, self._asked_before = now, self._asked
        elif self._asked - self._asked_before >= settings.max_requests_per_second and not self._trusted:
            self._second, self._asked_before = now + left, self._asked
            if self._transport is not None and not self._transport.is_closing():
                self._slowed = True
                self._transport.pause_reading()
                asyncio.get_running_loop().call_later(left, self._speed_up)

    def _speed_up(self) -> None:
        self._slowed = False
        self._read_on()

    def _body(self, event: DataReceived) -> None:
        stream = self.streams.get(event.stream_id or 0)
        size = event.flow_controlled_length or 0
        if stream is None:  # answered already: what still comes must not fill the connection's window
            self._acknowledge(event.stream_id or 0, size)
            return
        if not event.data and event.stream_ended is None:
            self._nuisance()
        stream.take(size)
        if event.data:
            stream.received(bytes(event.data), False)

    def _acknowledge(self, stream_id: int, size: int) -> None:
        try:
            self.h2.acknowledge_received_data(size, stream_id)
        except H2Error:
            pass

    def _widened(self, stream_id: int) -> None:
        self._updates += 1
        if self._updates > SPARE_UPDATES + 4 * self.frames_sent:
            self._nuisance()
        if stream_id:
            if (stream := self.streams.get(stream_id)) is not None:
                stream.flush()
            return
        for stream in list(self.streams.values()):
            stream.flush()

    # -- closing --

    def _leave(self, error: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """No new streams from here on. Written by hand, because `h2` would not let the open streams finish."""
        if not self._leaving and self._transport is not None and not self._transport.is_closing():
            self._leaving = True
            last = self.h2.highest_inbound_stream_id
            self._transport.write(self.h2.data_to_send() + GoAwayFrame(0, last, int(error)).serialize())
        self._leaving = True

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
