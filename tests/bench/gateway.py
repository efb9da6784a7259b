"""The gateway beside its peers, interleaved in one go: `python -m tests.bench.gateway` (or `make bench`).

The candidate has core 0 to itself; the load generator and a static backend share core 1. The primary figure is CPU
microseconds a request: user and system time of the candidate's processes over completed requests. Every candidate is
asked first whether it answers as it should. Prints a table and writes `bench.json` and `bench.md` where told.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import framework_peers, load, ours, peers
from tests.bench.load import Candidate, Point
from tests.bench.running import NATIVE, ROOT, free_ports, nginx, start, started

OURS = "weighbridge"
COMPILED = "weighbridge, compiled"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--workloads", default="w1,w2")
    parser.add_argument("--only", default="", help="comma separated names of candidates")
    parser.add_argument("--latency", action="store_true", help="also at 1 and 8 connections")
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    missing = [tool for tool in ("nginx", "haproxy", "wrk", "taskset") if shutil.which(tool) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}; `make bench` installs them", file=sys.stderr)
        return 2
    identity = ours.Identity.new()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)
        candidates = list(_candidates(stack, folder, identity))
        wanted = set(options.only.split(",")) - {""}
        candidates = [candidate for candidate in candidates if not wanted or candidate.name in wanted]
        stranger = ours.Identity.new().token()
        token = identity.token()
        faults = [fault for candidate in candidates for fault in load.check(candidate, token, stranger)]
        for fault in faults:
            print(fault, file=sys.stderr)
        if faults:
            return 1
        points = _measure(candidates, token, options, folder)
        memory = {candidate.name: load.resident(candidate.pids) for candidate in candidates}
    text = _table(points, memory)
    print(text)
    (options.out / "bench.md").write_text(text)
    (options.out / "bench.json").write_text(json.dumps(_plain(points, memory), indent=2))
    return 0


# -- candidates -------------------------------------------------------------------------------------------------------


def _candidates(stack: ExitStack, folder: Path, identity: ours.Identity) -> Iterator[Candidate]:
    identity.write_public_keys(folder)
    backend, bare, documented, table = free_ports(4)
    start(stack, 1, nginx(folder, "backend", peers.nginx_backend(folder, backend)), backend)
    yield started(stack, "nginx", nginx(folder, "bare", peers.nginx_bare(folder, bare, backend)), bare, False)
    for name, at, remembers in (("haproxy-jwt", documented, False), ("haproxy-table", table, True)):
        config = folder / f"{name}.cfg"
        config.write_text(peers.haproxy(folder, at, backend, remembers=remembers))
        yield started(stack, name, ["haproxy", "-db", "-q", "-f", str(config)], at, False)
    if framework_peers.is_there():
        (port,) = free_ports(1)
        command = framework_peers.express(folder, ROOT / "build" / "express", port, backend)
        yield started(stack, "express", command, port, True)
    (port,) = free_ports(1)
    yield started(stack, "starlette", framework_peers.starlette(folder, port, backend), port, True)
    command = [sys.executable, "-m", "weighbridge", "gateway"]
    snapshot = ours.snapshot(identity, f"http://127.0.0.1:{backend}")
    for name, source in ((OURS, ROOT), (COMPILED, NATIVE)):
        if not source.is_dir():
            continue
        state = folder / name
        state.mkdir()
        (state / "snapshot.json").write_bytes(snapshot)
        port, admin = free_ports(2)
        yield started(stack, name, command, port, True, ours.environment(state, port, admin), source)


# -- measuring --------------------------------------------------------------------------------------------------------

Points = dict[tuple[str, str, int], list[Point]]


def _measure(candidates: list[Candidate], token: str, options: Any, folder: Path) -> Points:
    points: Points = defaultdict(list)
    sizes = [options.connections, *([1, 8] if options.latency else [])]
    total = options.cycles * len(sizes) * len(options.workloads.split(",")) * len(candidates)
    done = 0
    for cycle in range(options.cycles + 1):  # the first one warms up
        for workload in options.workloads.split(","):
            for size in sizes:
                for candidate in candidates:
                    seconds = options.seconds if cycle else 1
                    point = load.drive(
                        candidate, workload, token, connections=size, seconds=seconds, core=1, scripts=folder
                    )
                    if point.errors:
                        raise RuntimeError(f"{candidate.name} answered {point.errors} of {point.requests} wrongly")
                    if cycle:
                        done += 1
                        points[candidate.name, workload, size].append(point)
                        print(f"\r{done}/{total} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return points


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def _table(points: Points, memory: dict[str, float]) -> str:
    ours_ = [name for name in (OURS, COMPILED) if any(key[0] == name for key in points)]
    ratios = "".join(f" {name} / it |" for name in ours_)
    lines = [
        f"| candidate | workload | connections | CPU us/request |{ratios} requests/s | p50 us | p99 us | RSS MB |",
        "|---|---|---|---|" + "---|" * len(ours_) + "---|---|---|---|",
    ]
    for (name, workload, size), measured in points.items():
        told = ""
        for mine in ours_:
            pairs = zip(points[mine, workload, size], measured, strict=True)
            told += f" {statistics.median([a.cpu / b.cpu for a, b in pairs]):.2f} |"
        middle = {key: statistics.median(getattr(p, key) for p in measured) for key in ("rate", "p50", "p99")}
        lines.append(
            f"| {name} | {workload} | {size} | {_spread([point.cpu for point in measured])} |{told} "
            f"{middle['rate']:,.0f} | {middle['p50']:.0f} | {middle['p99']:.0f} | {memory[name]:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _plain(points: Points, memory: dict[str, float]) -> dict[str, Any]:
    return {
        "points": [
            {"candidate": name, "workload": workload, "connections": size, **vars(point)}
            for (name, workload, size), measured in points.items()
            for point in measured
        ],
        "resident_mb": memory,
    }


if __name__ == "__main__":
    sys.exit(main())
