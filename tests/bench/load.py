"""What every candidate is asked: the two workloads, the checks before anything is timed, and the load generator.

W1 is a GET with a path and a query parameter that answers 1 KB of JSON; W2 a POST of 2.2 KB of JSON that answers 201.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

CONTRACT = "orders"
PATH = "/orders/v1/sites/DAL-2/orders/SO-70012345"
QUERY = "limit=50"
W1_REPLY = json.dumps(
    {
        "items": [
            {"sku": f"CBL-THHN-{n:02}", "quantity": {"value": f"{n * 12.5:.1f}", "unit": "MTR"}, "status": "ALLOCATED"}
            for n in range(1, 11)
        ],
        "page": {"limit": 50, "nextCursor": "c" * 90},
    }
).encode()
W2_BODY = json.dumps(
    {
        "customerPoNumber": "4711/B",
        "lines": [
            {
                "lineNumber": n,
                "sku": f"CBL-THHN-{n:02}",
                "quantity": {"value": f"{n}.5", "unit": "MTR"},
                "note": "n" * 80,
            }
            for n in range(1, 14)
        ],
    }
).encode()
W2_REPLY = json.dumps({"orderId": "SO-70012345", "status": "RECEIVED", "note": "r" * 220}).encode()


@dataclass(frozen=True)
class Candidate:
    """A running gateway: where it listens and the processes whose time counts. `validates` says whether it judges
    parameters and bodies."""

    name: str
    url: str
    pids: tuple[int, ...]
    validates: bool
    tls: bool = False


@dataclass(frozen=True)
class Point:
    """One measurement: CPU microseconds a request, requests a second, latency percentiles in microseconds."""

    cpu: float
    rate: float
    p50: float
    p99: float
    requests: int
    errors: int


def check(candidate: Candidate, token: str, other: str) -> list[str]:
    """Every answer that is not as it should be; a candidate that fails is not timed. `other` is a token signed by a
    stranger. Each question on its own connection: HAProxy 2.6 loses one over TLS on which it met a bad token."""
    good = {"Authorization": f"Bearer {token}"}
    bad = {"Authorization": f"Bearer {other}"}
    order = f"{PATH}?{QUERY}"
    asked: list[tuple[str, int, str, str, dict[str, str], bytes | None]] = [
        ("good GET", 200, "GET", order, good, None),
        ("good POST", 201, "POST", "/orders/v1/orders", good | JSON, W2_BODY),
    ]
    if candidate.name != "nginx":
        asked += [
            ("no token", 401, "GET", order, {}, None),
            ("a stranger's token", 401, "GET", order, bad, None),
            ("an unknown path", 404, "GET", "/nothing/v1/here", good, None),
            ("a bad parameter", 400, "GET", f"{PATH}?limit=9999", good, None),
        ]
    if candidate.validates:
        asked.append(("a bad body", 400, "POST", "/orders/v1/orders", good | JSON, b"{}"))
    faults = []
    for what, status, method, target, headers, body in asked:
        with httpx.Client(base_url=candidate.url, trust_env=False, verify=False) as client:
            answer = client.request(method, target, headers=headers, content=body)
        if answer.status_code != status:
            faults.append(f"{candidate.name}: {what} answered {answer.status_code}, not {status}")
    return faults


JSON = {"Content-Type": "application/json"}
_LINES = {
    "p50": re.compile(r"50%\s+([0-9.]+)(us|ms|s)"),
    "p99": re.compile(r"99%\s+([0-9.]+)(us|ms|s)"),
    "rate": re.compile(r"Requests/sec:\s+([0-9.]+)"),
    "count": re.compile(r"(\d+) requests in"),
}
_UNIT = {"us": 1.0, "ms": 1e3, "s": 1e6}


def drive(
    candidate: Candidate,
    workload: str,
    token: str | Path,
    *,
    connections: int,
    seconds: int,
    core: int,
    scripts: Path,
) -> Point:
    """Run the load generator on its core and read the candidate's CPU time around it. `token` may be a file of tokens,
    one a line, of which every request takes the next."""
    script = scripts / f"{workload}.lua"
    script.write_text(_taking_turns(token) if isinstance(token, Path) else _script(workload, token))
    url = f"{candidate.url}{PATH}?{QUERY}" if workload == "w1" else f"{candidate.url}/orders/v1/orders"
    command = [
        "taskset",
        "-c",
        str(core),
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        str(script),
    ]
    before = _cpu(candidate.pids)
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    spent = _cpu(candidate.pids) - before
    count = int(_found("count", text)[0])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Point(
        cpu=spent / count * 1e6,
        rate=float(_found("rate", text)[0]),
        p50=_microseconds(_found("p50", text)),
        p99=_microseconds(_found("p99", text)),
        requests=count,
        errors=int(bad[1]) if bad else 0,
    )


def _script(workload: str, token: str) -> str:
    lines = [f'wrk.headers["Authorization"] = "Bearer {token}"']
    if workload == "w2":
        lines += [
            'wrk.method = "POST"',
            'wrk.headers["Content-Type"] = "application/json"',
            f"wrk.body = [==[{W2_BODY.decode()}]==]",
        ]
    return "\n".join(lines) + "\n"


def _taking_turns(tokens: Path) -> str:
    return f"""
local tokens, at = {{}}, 0
for line in io.lines("{tokens}") do tokens[#tokens + 1] = "Bearer " .. line end
request = function()
  at = at % #tokens + 1
  wrk.headers["Authorization"] = tokens[at]
  return wrk.format("GET")
end
"""


def _found(name: str, text: str) -> tuple[str, ...]:
    match = _LINES[name].search(text)
    if match is None:
        raise RuntimeError(f"the load generator printed no {name}:\n{text}")
    return match.groups()


def _microseconds(found: tuple[str, ...]) -> float:
    return float(found[0]) * _UNIT[found[1]]


def _cpu(pids: tuple[int, ...]) -> float:
    """User and system seconds of processes and all their threads, as the kernel accounts them to the nanosecond."""
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident(pids: tuple[int, ...]) -> float:
    """Resident megabytes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * 4096 / 2**20
