"""GitOps: make the registry hold what a folder holds. Owns how contract folders are read; the registry judges.

A contract's folder has ``contract.yaml`` and one file per version beside it. ``${NAME:-default}`` in contract.yaml is
replaced from the environment, so that one folder serves a laptop and a cluster. Every step is idempotent: a second run
changes nothing. Nothing is deleted: what is missing in the folder stays in the registry.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import semver
import yaml
from rich.markup import escape

from policies.model.contract import Contract
from weighbridge import judgements
from weighbridge.client import Client, Refused
from weighbridge.documents import bundle_of, parse_file, read_bytes, unreadable
from weighbridge.errors import CommandError, Exit
from weighbridge.printing import out

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class ContractFolder:
    """One contract and its version files in semver order."""

    contract: Contract
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Step:
    """One thing that `apply` did or would do. `outcome`: ``created``, ``changed``, ``unchanged`` or ``refused``."""

    subject: str
    outcome: str
    detail: str = ""
    problem: dict[str, Any] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        return self.outcome == "refused"

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value}


def read_folder(folder: Path) -> list[ContractFolder]:
    """Read a contract's folder, or every contract folder below a folder. Raises `CommandError` naming the file."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder")
    homes = (
        [folder] if (folder / "contract.yaml").is_file() else sorted(p.parent for p in folder.glob("*/contract.yaml"))
    )
    if not homes:
        raise CommandError(f"{folder} holds no contract.yaml, and none of its folders does")
    return [ContractFolder(read_contract(home / "contract.yaml"), version_files(home)) for home in homes]


def read_contract(path: Path) -> Contract:
    """Decode contract.yaml. Raises `CommandError` with the line or member that is wrong."""
    try:
        tree = yaml.load(_expand(path), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise CommandError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return msgspec.convert(tree, Contract)
    except msgspec.ValidationError as error:
        raise CommandError(f"{path}: {error}") from error


def version_files(home: Path) -> tuple[Path, ...]:
    """The version files of a contract's folder in semver order; a file not named ``<semver>.yaml`` is an error."""
    numbered = []
    for path in sorted(home.iterdir()):
        if path.name == "contract.yaml" or path.suffix not in (".yaml", ".yml", ".json"):
            continue
        try:
            numbered.append((semver.Version.parse(path.stem), path))
        except ValueError:
            raise CommandError(f"{path}: version files are named by their number, e.g. 1.0.0.yaml") from None
    return tuple(path for _, path in sorted(numbered))


def contract_of(file: Path) -> str:
    """The contract a version file belongs to: that of the contract.yaml in its folder or the folder above."""
    for home in (file.parent, file.parent.parent):
        if (home / "contract.yaml").is_file():
            return read_contract(home / "contract.yaml").name
    raise CommandError(f"{file}: no contract.yaml beside it says which contract this is; use --contract NAME")


def publish_file(
    client: Client,
    contract: str,
    file: Path,
    *,
    number: str | None = None,
    stage: str = "published",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Send one version file to the registry. Raises `Refused` with every finding when it is refused, and
    `CommandError` when it cannot be read, whoever found that out."""
    data = read_bytes(file)
    if not data.strip():
        raise unreadable(file, [("", 1, "the document is empty")])
    try:
        body: dict[str, Any] = {"document": data.decode(), "stage": stage}
        files = {name: content.decode() for name, content in bundle_of(file, data).items()}
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: not UTF-8 at byte {error.start}") from error
    if files:
        body["files"] = files
    if number is not None:
        body["number"] = number
    try:
        answer: dict[str, Any] = client.post(f"/v1/contracts/{contract}/versions", body, dry_run=dry_run)
    except Refused as refused:
        if refused.problem.get("code") != "DOCUMENT_INVALID":
            raise
        faults = [(fault["pointer"], fault.get("line"), fault["detail"]) for fault in refused.problem["errors"]]
        raise unreadable(file, faults) from refused
    return answer


def apply_folder(client: Client, folders: list[ContractFolder], *, dry_run: bool) -> Iterator[Step]:
    """Teams, then contracts, then versions in order. A refused version ends that contract's line, not the others'."""
    for team in sorted({folder.contract.owner for folder in folders}):
        if client.find(f"/v1/teams/{team}") is None:
            if not dry_run:
                client.put(f"/v1/teams/{team}", {"title": team.replace("-", " ").capitalize()})
            yield Step(f"team {team}", "created")
    for folder in folders:
        yield from _apply_contract(client, folder, dry_run=dry_run)


def _apply_contract(client: Client, folder: ContractFolder, *, dry_run: bool) -> Iterator[Step]:
    contract = folder.contract
    body = json.loads(msgspec.json.encode(contract))  # as the registry tells it: lists, no tuples
    held = client.find(f"/v1/contracts/{contract.name}")
    changed = [name for name in body if held is not None and held.get(name) != body[name]]
    if (held is None or changed) and not dry_run:
        try:
            client.put(f"/v1/contracts/{contract.name}", body)
        except Refused as refused:
            yield Step(f"contract {contract.name}", "refused", str(refused), dict(refused.problem))
            return
    outcome = "created" if held is None else "changed" if changed else "unchanged"
    yield Step(f"contract {contract.name}", outcome, ", ".join(changed))
    for file in folder.files:
        step = _apply_version(client, contract, file, dry_run=dry_run, known=held is not None)
        yield step
        if step.refused:
            return


def _apply_version(client: Client, contract: Contract, file: Path, *, dry_run: bool, known: bool) -> Step:
    subject = f"version {contract.name}@{file.stem}"
    try:
        if dry_run and not known:
            return _lint_only(subject, contract, file)
        publication = publish_file(client, contract.name, file, number=file.stem, dry_run=dry_run)
    except Refused as refused:
        return Step(subject, "refused", str(refused), dict(refused.problem))
    except CommandError as error:
        if error.code is not Exit.UNREADABLE:
            raise
        return Step(subject, "refused", "; ".join(line.strip() for line in error.lines) or str(error))
    return Step(subject, "created" if publication.get("created") else "unchanged", publication.get("bump") or "")


def _lint_only(subject: str, contract: Contract, file: Path) -> Step:
    """The registry judges versions of contracts it has. Of a new one this much can be said before it is there."""
    from policies import lint, rulesets

    if contract.ruleset not in rulesets.names():
        raise CommandError(f"there is no ruleset {contract.ruleset!r}; there are {', '.join(rulesets.names())}")
    report = lint.check(parse_file(file).document, rulesets.load(contract.ruleset))
    if report.verdict == "pass":
        return Step(subject, "created", "judged by lint alone: the contract is not there yet")
    judgement = {"reports": {"lint": {"findings": msgspec.to_builtins(report.findings)}}}
    return Step(subject, "refused", f"lint: {report.verdict}", judgement)


def print_steps(steps: Iterable[Step], *, dry_run: bool) -> bool:
    """The plan, or what was done, a line each as it happens; refused steps with their findings. Whether none was."""
    style = {"created": "green", "changed": "yellow", "unchanged": "dim", "refused": "bold red"}
    count = dict.fromkeys(style, 0)
    for step in steps:
        count[step.outcome] += 1
        out.print(
            f"[{style[step.outcome]}]{step.outcome:10}[/] {escape(step.subject)}"
            + (f"  [dim]{escape(step.detail)}[/]" if step.detail else "")
        )
        if step.refused:
            judgements.show(step.problem)
    summary = ", ".join(f"{number} {outcome}" for outcome, number in count.items() if number)
    out.print(f"{'plan: ' if dry_run else ''}{summary}" + ("; nothing was changed" if dry_run else ""))
    return not count["refused"]


def _expand(path: Path) -> str:
    def replacement(match: re.Match[str]) -> str:
        value = os.environ.get(match.group(1)) or match.group(2)
        if value is None:
            raise CommandError(
                f"{path}: the environment has no {match.group(1)}, and ${{{match.group(1)}}} names no default"
            )
        return value

    try:
        return _VARIABLE.sub(replacement, path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8 at byte {error.start}") from error
