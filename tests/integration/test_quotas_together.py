"""Four processes with fifty callers each count one quota together, in a file or in Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROCESSES, CALLERS, QUOTA = 4, 50, 1500
# every caller calls until it was refused three times; prints a dot for each call that passed
WORKER = """
import asyncio, sys, time
from inspect import isawaitable
from pathlib import Path
from gateway.counters import open_counters
from policies.traffic.limit_rate import Charge, CountersLost

url, directory, key, quota, callers = sys.argv[1:]
until = int(time.time()) + 3600
charges = (
    Charge(key + "w", "wide", 10**9, 3600),
    Charge(key, "n", int(quota), 86400, weight=3, until=until, pool=(key,)),
)

async def call(counters):
    refused = 0
    while refused < 3:
        try:
            outcome = counters.take(charges)
            standing = await outcome if isawaitable(outcome) else outcome
        except CountersLost:  # nothing was admitted; a busy machine may be late
            await asyncio.sleep(0.1)
            continue
        if standing.retry_after is None:
            sys.stdout.write(".")
            sys.stdout.flush()
        refused += standing.retry_after is not None
        await asyncio.sleep(0)

async def main():
    counters = open_counters(url, Path(directory))
    await counters.start()
    await asyncio.gather(*(call(counters) for _ in range(int(callers))))
    await counters.close()

asyncio.run(main())
"""


def started(url: str, directory: Path, key: str, callers: int = CALLERS) -> subprocess.Popen[bytes]:
    arguments = [url, str(directory), key, str(QUOTA), str(callers)]
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE)


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("redis_url"))


def test_two_hundred_callers_of_four_processes_take_exactly_the_quota(url: str, tmp_path: Path) -> None:
    key = f"{{{time.time_ns()}}}"
    workers = [started(url, tmp_path, key) for _ in range(PROCESSES)]
    calls = [len(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    assert sum(calls) <= QUOTA // 3
    # what idlers had in advance when the others were refused went back when they ended
    (last, _) = started(url, tmp_path, key, callers=1).communicate(timeout=60)
    assert sum(calls) + len(last) == QUOTA // 3


def test_a_worker_that_is_killed_takes_along_no_more_than_its_lease(tmp_path: Path) -> None:
    key = "{app}:q"
    doomed = started("memory://", tmp_path, key)
    assert doomed.stdout is not None
    seen = doomed.stdout.read(30)
    os.kill(doomed.pid, signal.SIGKILL)
    seen += doomed.communicate()[0]
    (rest, _) = started("memory://", tmp_path, key).communicate(timeout=60)
    admitted = len(seen) + len(rest)
    assert admitted <= QUOTA // 3
    # fifty calls may have been under way, and a 64th of the quota leased in advance
    assert admitted >= QUOTA // 3 - CALLERS - QUOTA // 64 // 3 - 2, json.dumps([len(seen), len(rest)])
