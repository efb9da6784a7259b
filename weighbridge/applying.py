"""GitOps: make the registry hold what a folder holds. Owns how contract folders are read; the registry judges.

A contract's folder has ``contract.yaml`` and one file per version beside it. ``${NAME:-default}`` in contract.yaml is
replaced from the environment, so that one folder serves a laptop and a cluster. Every step is idempotent: a second run
changes nothing. Nothing is deleted: what is missing in the folder stays in the registry.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import semver
import yaml

from policies.model.contract import Contract
from weighbridge.client import Client, Refused
from weighbridge.errors import CommandError
from weighbridge.printing import out

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")
_REFERENCE = re.compile(rb"""\$ref["']?\s*:\s*["']?([^"'#\s}][^"'#\s}]*)""")


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


def bundle_of(file: Path, data: bytes) -> dict[str, bytes]:
    """The files that `file` refers to, by the name used in the reference; only from its folder and below."""
    home = file.parent.resolve()
    found: dict[str, bytes] = {}
    waiting = [(file.name, data)]
    while waiting and len(found) < 100:
        at, content = waiting.pop()
        for match in _REFERENCE.finditer(content):
            name = match.group(1).decode(errors="replace")
            if "://" in name:
                continue
            target = (home / Path(at).parent / name).resolve()
            if not target.is_relative_to(home) or not target.is_file():
                continue
            key = target.relative_to(home).as_posix()
            if key not in found and target != file.resolve():
                found[key] = target.read_bytes()
                waiting.append((key, found[key]))
    return found


def publish_file(
    client: Client,
    contract: str,
    file: Path,
    *,
    number: str | None = None,
    stage: str = "published",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Send one version file to the registry. Raises `Refused` with every finding when it is refused."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    try:
        body: dict[str, Any] = {"document": data.decode(), "stage": stage}
        files = {name: content.decode() for name, content in bundle_of(file, data).items()}
    except UnicodeDecodeError as error:
        raise CommandError(f"{file}: not UTF-8 at byte {error.start}") from error
    if files:
        body["files"] = files
    if number is not None:
        body["number"] = number
    answer: dict[str, Any] = client.post(f"/v1/contracts/{contract}/versions", body, dry_run=dry_run)
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
    body = msgspec.to_builtins(contract)
    held = client.find(f"/v1/contracts/{contract.name}")
    if held is None:
        outcome = "created"
    else:
        known = {name: held.get(name) for name in body}
        outcome = "unchanged" if known == body else "changed"
    if outcome != "unchanged" and not dry_run:
        try:
            client.put(f"/v1/contracts/{contract.name}", body)
        except Refused as refused:
            yield Step(f"contract {contract.name}", "refused", str(refused), dict(refused.problem))
            return
    yield Step(f"contract {contract.name}", outcome)
    if held is None and dry_run:
        for file in folder.files:
            yield Step(f"version {contract.name}@{file.stem}", "created", "not judged: the contract is not there yet")
        return
    for file in folder.files:
        subject = f"version {contract.name}@{file.stem}"
        try:
            publication = publish_file(client, contract.name, file, number=file.stem, dry_run=dry_run)
        except Refused as refused:
            yield Step(subject, "refused", str(refused), dict(refused.problem))
            return
        yield Step(subject, "created" if publication.get("created") else "unchanged", publication.get("bump") or "")


def print_steps(steps: list[Step], *, dry_run: bool) -> None:
    """The plan, or what was done, a line each; refused steps with their findings."""
    from weighbridge.commands.contracts import print_reports

    style = {"created": "green", "changed": "yellow", "unchanged": "dim", "refused": "bold red"}
    for step in steps:
        out.print(
            f"[{style[step.outcome]}]{step.outcome:10}[/] {step.subject}"
            + (f"  [dim]{step.detail}[/]" if step.detail else "")
        )
        if step.refused:
            print_reports(step.problem)
    count = {outcome: sum(step.outcome == outcome for step in steps) for outcome in style}
    summary = ", ".join(f"{number} {outcome}" for outcome, number in count.items() if number)
    out.print(f"{'plan: ' if dry_run else ''}{summary}" + ("; nothing was changed" if dry_run else ""))


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
