"""JUnit XML, as CI servers read it: one case per change, failed where it breaks somebody, errored where undecided."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

from policies.findings import Finding, Severity
from weighbridge.reports.subject import Subject, advice

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(subject: Subject) -> str:
    """A suite with a case for the verdict first, so that a comparison without changes is not an empty suite."""
    suite = ElementTree.Element("testsuite", name=_text(f"weighbridge diff {subject.old} {subject.new}"))
    verdict = _case(suite, "verdict", subject.judged)
    if subject.comparison.verdict == "breaking":
        ElementTree.SubElement(verdict, "failure", message=_text(subject.judged), type="breaking")
    elif subject.comparison.verdict == "unproven":
        ElementTree.SubElement(verdict, "error", message=_text(subject.judged), type="unproven")
    for finding in subject.findings:
        _told(_case(suite, finding.operation or "document", f"{finding.rule} {finding.pointer}"), finding)
    for outcome, tag in (("failures", "failure"), ("errors", "error")):
        suite.set(outcome, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_text(classname), name=_text(name))


def _told(case: ElementTree.Element, finding: Finding) -> None:
    if finding.proof == "unproven":
        told = ElementTree.SubElement(case, "error", message=_text(finding.message), type="unproven")
    elif finding.severity is Severity.ERROR:
        told = ElementTree.SubElement(case, "failure", message=_text(finding.message), type=finding.rule)
    else:
        told = ElementTree.SubElement(case, "system-out")
    witness = "" if finding.witness is None else f"\nwitness: {json.dumps(finding.witness, ensure_ascii=False)}"
    told.text = _text(advice(finding) + witness)


def _text(text: str) -> str:
    """XML 1.0 has no way to write most control characters."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
