"""SARIF 2.1.0, as code scanning reads it: the rules that spoke, and a result with place and fingerprint per finding."""

from __future__ import annotations

import json
from typing import Any

from policies import catalog
from policies.findings import Finding, Severity
from weighbridge.reports.subject import Subject, advice

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def sarif(subject: Subject) -> str:
    spoken = sorted({finding.rule for finding in subject.findings})
    ruleset = subject.comparison.report.ruleset
    driver = {
        "name": "weighbridge",
        "rules": [_rule(rule) for rule in spoken],
        "properties": {"ruleset": ruleset.name, "rulesetVersion": ruleset.version},
    }
    run = {
        "tool": {"driver": driver},
        "results": [_result(subject, finding, spoken.index(finding.rule)) for finding in subject.findings],
        "properties": {
            "verdict": subject.comparison.verdict,
            "bump": subject.comparison.bump,
            "coverage": subject.comparison.report.coverage,
        },
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(id_: str) -> dict[str, Any]:
    entry = catalog.get(id_)
    return {
        "id": id_,
        "shortDescription": {"text": entry.summary},
        "fullDescription": {"text": entry.text},
        "defaultConfiguration": {"level": _LEVEL[entry.severity]},
    }


def _result(subject: Subject, finding: Finding, index: int) -> dict[str, Any]:
    pointer = finding.pointer or finding.old_pointer or "/"
    place: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": pointer}]}
    if subject.file:
        region = {"startLine": subject.line_of(finding)}
        place["physicalLocation"] = {"artifactLocation": {"uri": subject.file}, "region": region}
    used = {"logicalLocations": [{"fullyQualifiedName": finding.used_at}]}
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVEL[finding.severity],
        "message": {"text": advice(finding)},
        "locations": [place],
        "relatedLocations": [{**used, "message": {"text": "used here"}}] if finding.used_at else [],
        "partialFingerprints": {"weighbridge/v1": finding.fingerprint},
        "properties": {
            "direction": finding.direction,
            "operation": finding.operation,
            "proof": finding.proof,
            "witness": finding.witness,
        },
    }
