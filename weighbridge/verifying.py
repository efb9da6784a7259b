"""Verify a backend against a contract: call it as the contract says, judge every answer, count what was judged.

Schemathesis generates and checks; this module owns what its findings amount to. An operation counts as evaluated only
once a success of it was judged: a backend that answers every generated id with 404 has proved nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from xml.etree import ElementTree

from policies.findings import Verdict
from policies.model.document import Document

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""What a backend promises. What it refuses is the gateway's business, so nothing malformed is sent."""


@dataclass(frozen=True)
class Failure:
    """One way in which answers broke the contract, with the call that shows it. Header values that were given for the
    run do not appear."""

    title: str
    message: str


@dataclass
class OperationResult:
    """`statuses` counts answers by status (``{"200": 12}``), `classes` by status class (``{"2xx": 12}``)."""

    operation: str
    calls: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        if self.failures:
            return "fail"
        return "pass" if self.classes.get("2xx") else "not-evaluated"

    @property
    def unseen(self) -> str:
        """Why nothing can be said of an operation that is not evaluated."""
        seen = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items())) or "no answer"
        wanted = "; give credentials with -H 'NAME: VALUE'" if {"401", "403"} & set(self.statuses) else ""
        return f"no success was seen ({seen}){wanted}"


@dataclass
class Verification:
    """The verdict over all operations; `faults` say why something could not be evaluated. With a fault the run did not
    answer what was asked, so it is never a pass."""

    operations: list[OperationResult]
    faults: list[str]
    seed: int

    @property
    def verdict(self) -> Verdict:
        verdicts = {operation.verdict for operation in self.operations}
        if "fail" in verdicts:
            return "fail"
        return "pass" if verdicts == {"pass"} and not self.faults else "not-evaluated"

    def to_dict(self) -> dict[str, Any]:
        operations = [{**asdict(operation), "verdict": operation.verdict} for operation in self.operations]
        return {"verdict": self.verdict, "seed": self.seed, "operations": operations, "not_evaluated": self.faults}


def verify_backend(
    document: Document, base_url: str, *, headers: Mapping[str, str], examples: int, max_seconds: int, seed: int
) -> Verification:
    """Call every operation of `document` at `base_url`: `examples` cases each, `max_seconds` in all."""
    os.environ.setdefault("SCHEMATHESIS_HOOKS", "")
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import events, from_schema

    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": base_url.rstrip("/"),
            "headers": dict(headers),
            "request-timeout": 15,
            "generation": {"mode": "positive", "max-examples": examples, "database": "none"},
            "phases": {"stateful": {"enabled": False}},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
        }
    )
    schema = schemathesis.openapi.from_dict(_plain(document.tree), config=config)
    results = {operation.key: OperationResult(operation.key) for operation in document.operations}
    faults: list[str] = [] if results else ["the contract has no operations"]
    named = set[str]()
    deadline = monotonic() + max_seconds  # schemathesis' own max-time would be used up, not only kept
    for event in from_schema(schema).execute():
        if monotonic() > deadline:
            faults.append(f"the run ended early: {max_seconds} s were not enough")
            break
        if isinstance(event, events.ScenarioFinished) and event.recorder.label in results:
            _record(results[event.recorder.label], event.recorder, headers)
        elif isinstance(event, events.NonFatalError):
            fault = f"{event.label}: {event.info.title}: {event.info.message}"
            faults += [fault] if event.label not in named else []  # one line an operation; the rest is repetition
            named.add(event.label)
        elif isinstance(event, events.FatalError):
            faults.append(f"the run ended early: {event.exception}")
        elif isinstance(event, events.EngineFinished) and (reason := event.stop_reason.skip_explanation):
            faults.append(f"the run ended early: {reason[0].lower()}{reason[1:]}")
    for result in results.values():
        if result.verdict == "not-evaluated" and result.operation not in named:
            faults.append(f"{result.operation}: {result.unseen}")
    return Verification(list(results.values()), faults, seed)


def _record(result: OperationResult, recorder: Any, headers: Mapping[str, str]) -> None:
    known = {failure.title for failure in result.failures}
    for interaction in recorder.interactions.values():
        result.calls += 1
        if interaction.response is not None:
            status = interaction.response.status_code
            for counted, name in ((result.statuses, str(status)), (result.classes, f"{status // 100}xx")):
                counted[name] = counted.get(name, 0) + 1
    for checks in recorder.checks.values():
        for check in checks:
            info = check.failure_info
            if info is not None and info.failure.title not in known:
                known.add(info.failure.title)
                call = info.code_sample
                for header, value in headers.items():  # any of them may be a secret, whatever its name
                    call = call.replace(f"{header}: {value}", f"{header}: [Filtered]")
                result.failures.append(Failure(info.failure.title, f"{info.failure.message}\n{call}".strip()))


def _plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The document without its own server addresses: the backend to verify is the one that was named."""
    return {**tree, "servers": [{"url": "/"}]}


def write_junit(result: Verification, name: str, path: Path) -> None:
    """One test case an operation. What was not evaluated is an error, so that no reader takes it for green."""
    suite = ElementTree.Element("testsuite", name=name)
    for operation in result.operations:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=operation.operation)
        for failure in operation.failures:
            ElementTree.SubElement(case, "failure", message=failure.title).text = failure.message
        if operation.verdict == "not-evaluated":
            ElementTree.SubElement(case, "error", message=f"not evaluated: {operation.unseen}")
    if result.verdict == "not-evaluated" and suite.find("*/error") is None:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name="the whole run")
        ElementTree.SubElement(case, "error", message=f"not evaluated: {'; '.join(result.faults)}")
    count = {kind: str(sum(case.find(kind) is not None for case in suite)) for kind in ("failure", "error")}
    suite.attrib |= {"tests": str(len(suite)), "failures": count["failure"], "errors": count["error"]}
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
