"""Counters of a gateway that only grow, though its workers come and go.

A scrape adds up what its workers counted. When one of them is replaced its count begins anew, and the sum would fall:
Prometheus takes that for a restart of the whole and counts everything again that the others had counted before. So what
a worker had counted when it was last scraped is kept when another takes its place, and stands in for one that does not
answer just now.

Must not know: how workers are asked. The one subtle thing: whoever holds the admin port may be the one that is
replaced, so all of this is also kept in the directory that the workers share for as long as their parent lives.
"""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
from msgspec import Struct

from gateway.exposition import METRICS, merged
from gateway.telemetry import Sample


class Counted(Struct):
    """What one worker had counted, and as which process."""

    process: int
    samples: list[Sample]


class _Kept(Struct):
    last: dict[int, Counted] = {}
    past: list[Sample] = []


class Totals:
    """`path` is where they are kept; ``None`` for a gateway of one worker, which Prometheus understands by itself."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()  # two may scrape at once
        self._kept: _Kept | None = None

    def readings(self, seen: list[tuple[int, int, list[Sample]]]) -> list[list[Sample]]:
        """Samples to add up, from what each worker says: ``(worker, process, samples)``, process 0 for one that did not
        answer. Reads and writes a file: call it in a thread."""
        if self._path is None:
            return [samples for _, _, samples in seen]
        with self._lock:
            kept = self._kept = self._kept or self._load(self._path)
            out: list[list[Sample]] = []
            for worker, process, samples in seen:
                known = kept.last.get(worker)
                if not process:
                    out.append([*samples, *(known.samples if known else ())])
                    continue
                if known is not None and known.process != process:
                    kept.past = _sum(kept.past, known.samples)
                counted = [sample for sample in samples if METRICS[sample[0]][0] != "gauge"]
                kept.last[worker] = Counted(process, counted)
                out.append(samples)
            self._save(self._path, kept)
            return [*out, kept.past]

    @staticmethod
    def _load(path: Path) -> _Kept:
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return _Kept()

    @staticmethod
    def _save(path: Path, kept: _Kept) -> None:
        beside = path.with_suffix(".new")
        try:
            beside.write_bytes(msgspec.json.encode(kept))
            beside.replace(path)
        except OSError:  # a full disk: it is needed only if this very worker is replaced
            pass


def _sum(*readings: list[Sample]) -> list[Sample]:
    return [
        (metric, list(labels), values if METRICS[metric][0] == "histogram" else values[0])
        for metric, series in merged(readings).items()
        for labels, values in series.items()
    ]
