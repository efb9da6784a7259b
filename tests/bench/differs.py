"""Our differ beside those that install from PyPI and npm: `python -m tests.bench.differs` (or `make bench-differs`).

Asks each about every labelled pair of `tests/golden/compat`, one after another, and counts who agrees with the label.
A pair that means the same in OpenAPI 3.0 is written as 3.0, so that whoever reads only that can answer. The labels are
ours and a test holds our differ to them: its own row shows only that nothing is hidden. Writes `differs.json` and
the measured half of `docs/differ-benchmark.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import openapi_spec_validator

from policies import compat
from policies.model.document import Document
from tests.bench.differ_peers import LIBRARY, NOT_MEASURED, OURS, PEERS, Answer, Peer, Running
from tests.golden.test_compat_truth import RULESET, documents, labelled

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "differ-benchmark.md"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
MARK = "<!-- below this line `make bench-differs` writes -->\n"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "weighbridge" / "differs"


@dataclass(frozen=True, slots=True)
class Pair:
    id: str
    area: str
    label: str
    note: str
    openapi: str
    old: dict[str, Any]
    new: dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What one differ said of every pair, in their order."""

    peer: Peer
    answers: list[Answer] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    same: int = 0
    """How many of the processes started ended with the exit code that goes with the verdict inside the process."""
    compared: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where peers are installed, outside the repository")
    parser.add_argument("--only", default="", help="comma separated names of differs")
    parser.add_argument("--limit", type=float, default=5, help="seconds a pair may take")
    parser.add_argument(
        "--budget", type=float, default=50, help="seconds a differ may take for everything; later pairs are errors"
    )
    parser.add_argument("--processes", type=int, default=12, help="pairs for which a process of its own is started")
    parser.add_argument("--out", type=Path, help="folder for differs.json (default: the cache)")
    parser.add_argument("--no-page", action="store_true", help="leave docs/differ-benchmark.md as it is")
    options = parser.parse_args()
    pairs = list(_pairs())
    wanted = set(options.only.split(",")) - {""}
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="differs-") as folder:
        files = [_write(Path(folder) / f"{number:04}", pair) for number, pair in enumerate(pairs)]
        for peer in (OURS, *PEERS):
            if wanted and peer.name not in wanted:
                continue
            print(f"{peer.name} {peer.version}", file=sys.stderr, flush=True)
            outcomes.append(_asked(peer, files, options))
            if peer is OURS:
                outcomes.append(_in_process(pairs))
    text = _tables(pairs, outcomes)
    print(text)
    answers = (options.out or options.cache) / "differs.json"
    answers.write_text(json.dumps(_plain(pairs, outcomes), indent=1))
    print(f"every answer: {answers}", file=sys.stderr)
    if not options.no_page and not wanted:
        PAGE.write_text(PAGE.read_text().split(MARK)[0] + MARK + "\n" + text)
    return 0


# -- pairs ------------------------------------------------------------------------------------------------------------


def _pairs() -> Iterable[Pair]:
    for parameter in labelled():
        case, frame = parameter.values
        old, new = (_whole(document.tree) for document in documents(case, frame))
        if _in_3_0(old) and _in_3_0(new):
            old, new = ({**tree, "openapi": "3.0.3"} for tree in (old, new))
        label = case[frame].split()[0].split("|")[0]
        versions = dict.fromkeys(tree["openapi"][:3] for tree in (old, new))
        yield Pair(parameter.id, parameter.id.split("/")[0], label, case["note"], " → ".join(versions), old, new)


def _whole(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every variable of its paths declared. Labelled pairs leave out what they do not speak of, which
    is fine between friends and makes a document that strict readers refuse, ours among them."""
    tree: dict[str, Any] = json.loads(json.dumps(document))
    for template, item in tree.get("paths", {}).items():
        for method in METHODS & item.keys():
            given = [*item.get("parameters", ()), *item[method].get("parameters", ())]
            if any("$ref" in parameter for parameter in given):
                continue
            names = {parameter.get("name") for parameter in given if parameter.get("in") == "path"}
            missing = [name for name in re.findall(r"{(\w+)}", template) if name not in names]
            if missing:
                declared = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in missing]
                item[method]["parameters"] = [*item[method].get("parameters", ()), *declared]
    return tree


@cache
def _metaschema() -> Any:
    home = Path(openapi_spec_validator.__file__).parent / "resources" / "schemas" / "v3.0" / "schema.json"
    return jsonschema_rs.validator_for(json.loads(home.read_text()))


def _in_3_0(tree: dict[str, Any]) -> bool:
    """Whether the document is valid OpenAPI 3.0, whose schemas are closed against every newer keyword, and says nothing
    that 3.0 reads otherwise: words beside a reference, and ``nullable``."""
    return _metaschema().is_valid({**tree, "openapi": "3.0.3"}) and not any(
        "nullable" in node or ("$ref" in node and len(node) > 1) for node in _objects(tree)
    )


def _objects(node: Any) -> Iterable[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(inner)


def _write(folder: Path, pair: Pair) -> tuple[Path, Path]:
    folder.mkdir()
    old, new = folder / "old.json", folder / "new.json"
    old.write_text(json.dumps(pair.old))
    new.write_text(json.dumps(pair.new))
    return old, new


# -- asking -----------------------------------------------------------------------------------------------------------


def _asked(peer: Peer, files: list[tuple[Path, Path]], options: Any) -> Outcome:
    running, outcome = Running(peer, options.cache, options.limit), Outcome(peer)
    running.install()
    try:
        running.ask(*files[0])  # warms up
        deadline = time.monotonic() + options.budget
        for old, new in files:
            late = time.monotonic() > deadline
            outcome.answers.append(Answer("error", 0, "the budget was spent") if late else running.ask(old, new))
        for number in range(0, len(files), max(1, len(files) // options.processes)):
            if time.monotonic() > deadline:
                break
            seconds, code = running.started(*files[number])
            outcome.started.append(seconds)
            if code is not None:
                outcome.compared += 1
                outcome.same += (code == 0) == (outcome.answers[number].said == "compatible")
    finally:
        running.close()
    return outcome


def _in_process(pairs: list[Pair]) -> Outcome:
    outcome = Outcome(LIBRARY)
    for pair in pairs:
        began = time.perf_counter()
        verdict = compat.check(Document(pair.old), Document(pair.new), RULESET).verdict
        outcome.answers.append(Answer(verdict, time.perf_counter() - began))
    return outcome


# -- telling ----------------------------------------------------------------------------------------------------------


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def _agrees(answers: Iterable[tuple[Pair, Answer]]) -> tuple[int, int]:
    told = list(answers)
    return sum(answer.said == pair.label for pair, answer in told), len(told)


def _rates(pairs: list[Pair], answers: list[Answer]) -> list[str]:
    met = Counter((pair.label, answer.said) for pair, answer in zip(pairs, answers, strict=True))
    breaks = sum(pair.label == "breaking" for pair in pairs)
    said = met["breaking", "breaking"] + met["compatible", "breaking"]
    return [
        _share(met["breaking", "breaking"] + met["compatible", "compatible"], len(pairs)),
        _share(met["breaking", "breaking"], breaks),
        _share(met["breaking", "breaking"], said),
        str(met["breaking", "error"] + met["compatible", "error"]),
    ]


def _tables(pairs: list[Pair], outcomes: list[Outcome]) -> str:
    old = [number for number, pair in enumerate(pairs) if pair.openapi == "3.0"]
    breaks = sum(pair.label == "breaking" for pair in pairs)
    return "\n".join(
        [
            _machine(),
            "",
            f"{len(pairs)} pairs, {breaks} of them breaking; {len(old)} are OpenAPI 3.0 on both sides.",
            "",
            *_overall("All pairs", pairs, outcomes, range(len(pairs))),
            *_overall("Only the pairs in OpenAPI 3.0", pairs, outcomes, old),
            *_by_area(pairs, outcomes),
            *_called(outcomes),
            *_missed(pairs, outcomes),
        ]
    )


def _machine() -> str:
    model = next((line.split(": ")[1] for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return (
        f"Measured {time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores ({model.strip()}), {platform.system()}, "
        f"Python {platform.python_version()}, Node.js {node.lstrip('v')}; one differ at a time, one pair at a time."
    )


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines() if Path(file).exists() else []


def _overall(title: str, pairs: list[Pair], outcomes: list[Outcome], chosen: Iterable[int]) -> list[str]:
    numbers = list(chosen)
    some = [pairs[number] for number in numbers]
    lines = [
        f"## {title}",
        "",
        "| differ | agrees | breaks found | right that it breaks | errors | unproven | ms a pair | ms a process |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        answers = [outcome.answers[number] for number in numbers]
        unproven = sum(answer.said == "unproven" for answer in answers) if outcome.peer.source == "ours" else "-"
        inside = statistics.median(answer.seconds for answer in answers) * 1000
        process = f"{statistics.median(outcome.started) * 1000:.0f}" if outcome.started else "-"
        rates = " | ".join(_rates(some, answers))
        lines.append(f"| {outcome.peer.name} | {rates} | {unproven} | {inside:.1f} | {process} |")
    for name, said in (("*always compatible*", "compatible"), ("*always breaking*", "breaking")):
        fixed = [Answer(said, 0)] * len(some)  # type: ignore[arg-type]
        lines.append(f"| {name} | {' | '.join(_rates(some, fixed))} | - | - | - |")
    return [*lines, ""]


def _by_area(pairs: list[Pair], outcomes: list[Outcome]) -> list[str]:
    lines = [
        "## Agreement by area, all pairs",
        "",
        f"| area | pairs | {' | '.join(outcome.peer.name for outcome in outcomes)} |",
        f"|---|---|{'---|' * len(outcomes)}",
    ]
    for area in dict.fromkeys(pair.area for pair in pairs):
        chosen = [number for number, pair in enumerate(pairs) if pair.area == area]
        shares = (_share(*_agrees((pairs[n], outcome.answers[n]) for n in chosen)) for outcome in outcomes)
        lines.append(f"| {area} | {len(chosen)} | {' | '.join(shares)} |")
    return [*lines, ""]


def _called(outcomes: list[Outcome]) -> list[str]:
    lines = [
        "## How each was called",
        "",
        "| differ | version | reads, it says | called | a process of its own ended as expected |",
        "|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        peer = outcome.peer
        where = peer.version if peer.source == "ours" else f"{peer.version} ({peer.source})"
        same = f"{outcome.same} of {outcome.compared}" if outcome.compared else "a library"
        lines.append(f"| {peer.name} | {where} | {peer.claims} | {peer.command} | {same} |")
    lines += ["", "Not measured:", "", *(f"- **{name}**: {why}" for name, why in NOT_MEASURED.items())]
    return [*lines, ""]


def _missed(pairs: list[Pair], outcomes: list[Outcome]) -> list[str]:
    """Three breaks that each passed and three alarms for nothing, from the areas in which it does so most often."""
    lines = [
        "## What each missed",
        "",
        "`area/case/place`, as in `tests/golden/compat`, with the reason of the label.",
        "",
    ]
    for outcome in outcomes:
        lines += [f"**{outcome.peer.name}**", ""]
        for title, label, said in (
            ("break passed", "breaking", "compatible"),
            ("false alarm", "compatible", "breaking"),
            ("unproven", "breaking", "unproven"),
            ("unproven", "compatible", "unproven"),
        ):
            found = defaultdict(list)
            for pair, answer in zip(pairs, outcome.answers, strict=True):
                if (pair.label, answer.said) == (label, said):
                    found[pair.area].append(pair)
            total = sum(map(len, found.values()))
            areas = sorted(found, key=lambda area: -len(found[area]))[:3]
            examples = "; ".join(f"`{found[area][0].id}` ({found[area][0].note})" for area in areas)
            if total:
                lines.append(f"- {title}, {total} times: {examples}")
        faults = Counter(answer.fault[:190] for answer in outcome.answers if answer.said == "error")
        lines += [f"- error, {count} times: `{fault}`" for fault, count in faults.most_common(3)]
        lines += [] if lines[-1] else ["- nothing"]
        lines.append("")
    return lines


def _plain(pairs: list[Pair], outcomes: list[Outcome]) -> dict[str, Any]:
    said = {
        outcome.peer.name: {
            "version": outcome.peer.version,
            "source": outcome.peer.source,
            "answers": {pair.id: asdict(answer) for pair, answer in zip(pairs, outcome.answers, strict=True)},
            "process_seconds": outcome.started,
        }
        for outcome in outcomes
    }
    labels = {pair.id: {"label": pair.label, "openapi": pair.openapi, "note": pair.note} for pair in pairs}
    return {"pairs": labels, "differs": said}


if __name__ == "__main__":
    sys.exit(main())
