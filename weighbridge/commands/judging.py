"""Asking for a verdict: lint a file, compare two, verify a backend against its contract, explain a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.markup import escape

from weighbridge import judgements
from weighbridge.commands import FormatOption, split_reference
from weighbridge.documents import parse_file
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import Format, counted, findings, out, say_json, table, verdict

Ruleset = Annotated[str, typer.Option(help="baseline, strict or lenient.")]


def register(app: typer.Typer) -> None:
    for command in (lint, diff, verify, explain):
        app.command()(command)


def lint(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    ruleset: Ruleset = "baseline",
    format: FormatOption = Format.TEXT,
) -> int:
    """Judge one document by the rules that matter to integrators. Needs no registry."""
    from policies.lint import check

    report = check(parse_file(file).document, load_ruleset(ruleset))
    if format is Format.JSON:
        from msgspec import to_builtins

        say_json({"verdict": report.verdict, **to_builtins(report)})
    else:
        from msgspec import to_builtins

        findings(to_builtins(report.findings))
        covered = ", ".join(f"{number} {what}" for what, number in report.coverage.items())
        out.print(
            f"{verdict(report.verdict)}: {_tally(f.severity for f in report.findings)}; "
            f"looked at {covered or 'nothing, for there are no operations'}, "
            f"ruleset {report.ruleset.name} {report.ruleset.version}"
        )
    return {"pass": Exit.OK, "fail": Exit.REFUSED}.get(report.verdict, Exit.UNDECIDED)


class DiffFormat(StrEnum):
    """``--format`` of `diff`: for people, for programs, for CI."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


class FailOn(StrEnum):
    """The least that makes `diff` answer 1."""

    BREAKING = "breaking"
    UNPROVEN = "unproven"
    WARNING = "warning"


class Side(StrEnum):
    """``--direction`` of `diff`."""

    REQUEST = "request"
    RESPONSE = "response"


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A file, or a registered version such as shipment@1.1.0.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A file, or a registered version.")],
    ruleset: Ruleset = "baseline",
    format: Annotated[DiffFormat, typer.Option(help="text for people, json for programs, the rest for CI.")] = (
        DiffFormat.TEXT
    ),
    fail_on: Annotated[FailOn, typer.Option(help="The least that is answered with exit code 1.")] = FailOn.BREAKING,
    direction: Annotated[Side | None, typer.Option(help="Only what callers send, or only what they receive.")] = None,
) -> int:
    """Compare two versions: compatible, breaking or unproven. With proof, and the version bump that takes."""
    if _is_file(old) or _is_file(new):
        from registry import documents

        documents.warm()  # the validating child starts while we load the differ
    from policies.compat import check

    before, after = _side(old), _side(new)
    side: Any = direction.value if direction else None
    comparison = check(before.document, after.document, load_ruleset(ruleset), direction=side)
    if format is DiffFormat.JSON:
        say_json(comparison.to_dict())
    elif format is DiffFormat.TEXT:
        from msgspec import to_builtins

        report = comparison.report
        findings(to_builtins(report.findings))
        out.print(
            f"{verdict(comparison.verdict)}: bump [bold]{comparison.bump}[/]; "
            f"{_tally(finding.severity for finding in report.findings)}; "
            f"ruleset {report.ruleset.name} {report.ruleset.version}"
        )
        if before.number and after.number and before.contract == after.contract:
            judgements.hurts(_impact(before.contract, before.number, after.number, ruleset))
    else:
        from weighbridge.reports import Subject, render

        subject = Subject(comparison, before.name, after.name, file=after.file, line=after.line)
        print(render(format.value, subject), end="")
    return _answer(comparison, fail_on)


def _answer(comparison: Any, fail_on: FailOn) -> Exit:
    failing = {"breaking"} if fail_on is FailOn.BREAKING else {"breaking", "unproven"}
    warned = any(finding.severity == "warning" for finding in comparison.report.findings)
    if comparison.verdict in failing or (fail_on is FailOn.WARNING and warned):
        return Exit.REFUSED
    return Exit.OK if comparison.verdict == "compatible" else Exit.UNDECIDED


def verify(
    reference: Annotated[str, typer.Argument(metavar="CONTRACT[@VERSION]", help="A registered version, or a file.")],
    base_url: Annotated[str, typer.Option(help="Where the backend serves the contract's paths.")],
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="NAME: VALUE sent with every call.")
    ] = None,
    examples: Annotated[int, typer.Option(help="Generated cases per operation.", min=1, max=1000)] = 20,
    max_seconds: Annotated[int, typer.Option(help="Time budget of the whole run.", min=1)] = 120,
    junit: Annotated[Path | None, typer.Option(help="Also write a JUnit XML report there.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same cases.")] = 1,
    format: FormatOption = Format.TEXT,
) -> int:
    """Call a backend as its contract says and judge every answer. Never green when nothing was evaluated."""
    from weighbridge.client import is_address
    from weighbridge.verifying import Verification, verify_backend, write_junit

    headers = dict(_header(text) for text in header or ())
    if not is_address(base_url):
        raise CommandError(f"--base-url takes an address such as http://127.0.0.1:9300, not {base_url!r}")
    name, document = _verifiable(reference)
    if junit is not None:  # now, not after minutes of calls; and no earlier report passes for this one
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.write_text("")
    result: Verification = verify_backend(
        document, base_url, headers=headers, examples=examples, max_seconds=max_seconds, seed=seed
    )
    if junit is not None:
        write_junit(result, name, junit)
    if format is Format.JSON:
        say_json({"contract": name, **result.to_dict()})
    else:
        table(
            ("operation", "verdict", "calls", "2xx", "3xx", "4xx", "5xx", "failures"),
            (
                (
                    o.operation,
                    o.verdict,
                    o.calls,
                    *(o.classes.get(c, 0) or "" for c in ("2xx", "3xx", "4xx", "5xx")),
                    len(o.failures),
                )
                for o in result.operations
            ),
            empty="no operations",
        )
        for operation in result.operations:
            for failure in operation.failures:
                out.print(f"[bold red]failed[/] {operation.operation}: {failure.title}", markup=True)
                for line in failure.message.splitlines():
                    out.print(f"        {line}", markup=False)
        for fault in result.faults:
            out.print(f"[yellow]not evaluated[/] {fault}")
        evaluated = sum(o.verdict != "not-evaluated" for o in result.operations)
        out.print(
            f"{verdict(result.verdict)}: {evaluated} of {len(result.operations)} operations evaluated, seed {seed}"
        )
    return {"pass": Exit.OK, "fail": Exit.REFUSED}.get(result.verdict, Exit.UNDECIDED)


def explain(
    rule: Annotated[
        str | None, typer.Argument(metavar="RULE", help="e.g. compat.response-property-removed; none lists all.")
    ] = None,
    format: FormatOption = Format.TEXT,
) -> int:
    """Say why a rule exists. With examples, and the compatible way to get what was wanted."""
    from policies import catalog

    if rule is None:
        entries = catalog.entries()
        if format is Format.JSON:
            say_json([{"id": e.id, "severity": str(e.severity), "summary": e.summary} for e in entries])
        else:
            table(
                ("rule", "severity", "what it says"), ((e.id, e.severity, e.summary) for e in entries), empty="no rules"
            )
        return Exit.OK
    try:
        entry = catalog.get(rule)
    except KeyError:
        import difflib

        close = difflib.get_close_matches(rule, [e.id for e in catalog.entries()], 3, 0.4)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; `weighbridge explain` lists all"
        raise CommandError(f"no rule is called {rule}{hint}") from None
    if format is Format.JSON:
        say_json(
            {"id": entry.id, "severity": str(entry.severity), "text": entry.text, "explanation": catalog.explain(rule)}
        )
    else:
        from rich.markdown import Markdown

        # a file or a pipe gets the markdown itself, which reads well and is not padded
        out.print(Markdown(catalog.explain(rule)) if out.is_terminal else escape(catalog.explain(rule)))
    return Exit.OK


class _Side(NamedTuple):
    """One side of a comparison: what it is called, and where a pointer stands in its file, if it has one. `contract`
    and `number` are those of a registered version."""

    name: str
    document: Any
    file: str | None = None
    line: Callable[[str], int | None] = lambda pointer: None
    contract: str = ""
    number: str = ""


def _side(reference: str) -> _Side:
    if not _is_file(reference):
        contract, number = _registered(reference)
        return _Side(reference, _fetched(contract, number), contract=contract, number=number)
    parsed = parse_file(Path(reference))
    return _Side(reference, parsed.document, reference, parsed.line)


def _impact(contract: str, old: str, new: str, ruleset: str) -> Any:
    """Whom the change hurts: only the registry knows who calls. An older one does not say."""
    from weighbridge.client import Client

    answer = Client.from_settings().get(
        f"/v1/contracts/{contract}/diff", **{"from": old, "to": new, "ruleset": ruleset}
    )
    return answer.get("impact")


def document_of(reference: str) -> Any:
    """A file when there is one of that name, else a registered version."""
    if _is_file(reference):
        return parse_file(Path(reference)).document
    return _fetched(*_registered(reference))


def _registered(reference: str) -> tuple[str, str]:
    """Contract and number; a major stands for its newest version."""
    from weighbridge.client import Client
    from weighbridge.commands.lifecycle import newest_of_major

    contract, number = split_reference(reference)
    if number is None:
        raise CommandError(f"{reference} is neither a file nor CONTRACT@VERSION")
    if "." not in number:
        number = newest_of_major(Client.from_settings(), contract, number)
    return contract, number


def _fetched(contract: str, number: str) -> Any:
    from policies.model.document import Document
    from weighbridge.client import Client

    return Document(Client.from_settings().get(f"/v1/contracts/{contract}/versions/{number}/document"))


def _tally(severities: Iterable[str]) -> str:
    count = Counter(map(str, severities))
    return ", ".join(counted(count[severity], severity) for severity in ("error", "warning", "info"))


def _is_file(reference: str) -> bool:
    """Whether a file is meant, there or not."""
    return Path(reference).is_file() or Path(reference).suffix in (".yaml", ".yml", ".json")


def load_ruleset(name: str) -> Any:
    from policies import rulesets

    if name not in rulesets.names():
        raise CommandError(f"no ruleset is called {name}; there are {', '.join(rulesets.names())}")
    return rulesets.load(name)


def _verifiable(reference: str) -> tuple[str, Any]:
    """Without a version: what the contract's default major serves."""
    if _is_file(reference) or "@" in reference:
        return reference, document_of(reference)
    import semver

    from weighbridge.client import Client

    client = Client.from_settings()
    default = client.get(f"/v1/contracts/{reference}").get("default_major")
    versions = client.items(f"/v1/contracts/{reference}/versions")
    live = [semver.Version.parse(v["number"]) for v in versions if v["stage"] in ("published", "deprecated")]
    if not live:
        raise CommandError(f"{reference} has no live version to verify against", code=Exit.UNDECIDED)
    exact = f"{reference}@{max([v for v in live if v.major == default] or live)}"
    return exact, document_of(exact)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise CommandError(f"--header takes 'NAME: VALUE', not {text!r}")
    return name.strip(), value.strip()
