"""The command as a person meets it: help, errors of one line, exit codes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer

from weighbridge.cli import CHAPTERS, app, main
from weighbridge.errors import Exit

DOCUMENT = """\
openapi: 3.1.0
info: {title: Notes, version: 1.0.0}
paths:
  /notes/{noteId}:
    get:
      operationId: getNote
      parameters:
        - {name: noteId, in: path, required: true, schema: {type: string, maxLength: 20}}
      responses:
        '200':
          description: The note.
          content:
            application/json:
              schema:
                type: object
                required: [text]
                properties:
                  text: {type: string, maxLength: 400}
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("WEIGHBRIDGE_URL", "WEIGHBRIDGE_KEY", "WEIGHBRIDGE_HOME"):
        monkeypatch.delenv(name, raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    output = capsys.readouterr()
    return code, output.out, output.err


def test_no_arguments_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys)
    assert code == Exit.UNREADABLE
    assert "Exit codes: 0 yes" in error


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "pubish")
    assert code == Exit.UNREADABLE
    assert (
        error
        == "weighbridge: No such command 'pubish'. Did you mean 'publish'; `weighbridge --help` says what there is\n"
    )


def test_a_missing_option_is_one_line_that_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = run(capsys, "deprecate", "shipment@1")
    assert (code, out) == (Exit.UNREADABLE, "")
    assert error == "weighbridge: Missing option '--sunset'; `weighbridge deprecate --help` says what there is\n"


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (Exit.OK, f"weighbridge {metadata.version('weighbridge')}\n", "")


def test_a_reader_that_goes_away_is_neither_yes_nor_no() -> None:
    listing = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert listing.stdout is not None
    listing.stdout.close()
    _, error = listing.communicate(timeout=60)
    assert (listing.returncode, error) == (141, b"")


def test_output_that_cannot_be_written_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        listing = subprocess.run(
            [sys.executable, "-m", "weighbridge", "explain", "--format", "json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert listing.returncode == Exit.UNREADABLE
    assert listing.stderr == "weighbridge: the output cannot be written: No space left on device\n"


def test_what_nobody_foresaw_is_no_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.catalog.entries", lambda: 1 / 0)
    code, _, error = run(capsys, "explain")
    assert (code, "this is a defect, and no answer" in error) == (Exit.UNREADABLE, True)


def test_an_equal_document_is_compatible(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(DOCUMENT)
    code, out, _ = run(capsys, "diff", "a.yaml", "a.yaml", "--format", "json")
    answer = json.loads(out)
    assert (code, answer["verdict"], answer["bump"], answer["findings"]) == (Exit.OK, "compatible", "none", [])


def test_a_break_exits_with_one_and_names_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(DOCUMENT)
    Path("b.yaml").write_text(DOCUMENT.replace("required: [text]", "required: []"))
    code, out, _ = run(capsys, "diff", "a.yaml", "b.yaml", "--format", "json")
    answer = json.loads(out)
    assert (code, answer["verdict"], answer["bump"]) == (Exit.REFUSED, "breaking", "major")
    assert [f["operation"] for f in answer["findings"] if f["severity"] == "error"] == ["GET /notes/{noteId}"]


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "lint", "none.yaml")
    assert (code, error) == (Exit.UNREADABLE, "weighbridge: none.yaml: No such file or directory\n")


def test_a_document_that_cannot_be_read_says_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(DOCUMENT.replace("in: path", "in: trail"))
    code, _, error = run(capsys, "lint", "a.yaml")
    assert code == Exit.UNREADABLE
    assert "a.yaml is not a contract this can read" in error
    assert "a.yaml:5: /paths/~1notes~1{noteId}/get: the path has the variable {noteId}" in error


def test_a_duplicate_key_says_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(DOCUMENT + "info: {}\n")
    code, _, error = run(capsys, "lint", "a.yaml")
    assert code == Exit.UNREADABLE
    assert "a.yaml:19: /info: the key 'info' stands here twice (first on line 2)" in error


def test_lint_reports_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(DOCUMENT)
    code, out, _ = run(capsys, "lint", "a.yaml", "--format", "json")
    answer = json.loads(out)
    assert code == Exit.REFUSED
    assert "lint.operations-declare-security" in {f["rule"] for f in answer["findings"] if f["severity"] == "error"}


def test_explain_suggests_a_near_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "explain", "compat.operation-remove")
    assert code == Exit.UNREADABLE
    assert "did you mean compat.operation-removed" in error


def test_an_unknown_ruleset_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(DOCUMENT)
    code, _, error = run(capsys, "lint", "a.yaml", "--ruleset", "harsh")
    assert (code, "baseline" in error) == (Exit.UNREADABLE, True)


def test_without_a_registry_a_reference_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "versions", "shipment")
    assert code == Exit.UNREACHABLE
    assert "set WEIGHBRIDGE_KEY" in error


def test_up_names_a_taken_port_and_the_option_that_moves_it(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, error = run(capsys, "up", "--gateway-port", str(port))
    assert code == Exit.UNREADABLE
    assert f"port {port} of 127.0.0.1 cannot be used for the gateway (Address already in use)" in error
    assert "--gateway-port" in error


@pytest.mark.parametrize("url", ["127.0.0.1:9300", "nonsense", "ftp://host", "http://", "http://[::bad"])
def test_verify_refuses_what_is_no_address(capsys: pytest.CaptureFixture[str], url: str) -> None:
    Path("a.yaml").write_text(DOCUMENT)
    code, _, error = run(capsys, "verify", "a.yaml", "--base-url", url)
    assert (code, "--base-url takes an address" in error) == (Exit.UNREADABLE, True)


def test_verify_of_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "verify", "none.yaml", "--base-url", "http://127.0.0.1:9")
    assert (code, error) == (Exit.UNREADABLE, "weighbridge: none.yaml: No such file or directory\n")


def test_a_report_that_cannot_be_written_is_said_before_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(DOCUMENT)
    code, out, error = run(capsys, "verify", "a.yaml", "--base-url", "http://127.0.0.1:9", "--junit", "a.yaml/j.xml")
    assert (code, out, error) == (Exit.UNREADABLE, "", "weighbridge: a.yaml: File exists\n")


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        ("registry", "WEIGHBRIDGE_REGISTRY_PORT"),
        ("gateway", "WEIGHBRIDGE_GATEWAY_PORT"),
        ("backends", "WEIGHBRIDGE_DEMO_BASE_PORT"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "eighty")
    code, _, error = run(capsys, command)
    assert code == Exit.UNREADABLE
    assert f"{variable}: Input should be a valid integer" in error


def test_backends_take_their_settings_from_the_environment_too(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # a process of its own: it arranges signals before it looks at ports
        ended = subprocess.run(
            [sys.executable, "-m", "weighbridge", "backends"],
            env={**os.environ, "WEIGHBRIDGE_DEMO_BASE_PORT": str(port)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == Exit.REFUSED
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


UNPROVEN = ("{type: string, contentSchema: {type: string}}", "{type: string, contentSchema: {type: integer}}")
WARNED = ("{type: integer, default: 1}", "{type: integer, default: 2}")


def pair(old: str, new: str) -> None:
    for name, schema in (("old.yaml", old), ("new.yaml", new)):
        Path(name).write_text(
            "openapi: 3.1.0\ninfo: {title: T, version: 1.0.0}\npaths:\n  /a:\n    get:\n      parameters:\n"
            f"      - {{name: q, in: query, schema: {schema}}}\n      responses: {{'204': {{description: done}}}}\n"
        )


@pytest.mark.parametrize(
    ("schemas", "arguments", "code"),
    [
        (("{type: integer}", "{type: integer}"), [], Exit.OK),
        (("{type: integer}", "{type: boolean}"), [], Exit.REFUSED),
        (("{type: integer}", "{type: boolean}"), ["--direction", "response"], Exit.OK),
        (UNPROVEN, [], Exit.UNDECIDED),
        (UNPROVEN, ["--fail-on", "unproven"], Exit.REFUSED),
        (WARNED, [], Exit.OK),
        (WARNED, ["--fail-on", "unproven"], Exit.OK),
        (WARNED, ["--fail-on", "warning"], Exit.REFUSED),
    ],
)
def test_what_diff_fails_on(
    capsys: pytest.CaptureFixture[str], schemas: tuple[str, str], arguments: list[str], code: int
) -> None:
    pair(*schemas)
    for form in ("text", "json", "markdown", "html", "junit", "sarif", "github"):
        got, printed, error = run(capsys, "diff", "old.yaml", "new.yaml", *arguments, "--format", form)
        assert (got, error) == (code, ""), form
        assert printed


def test_the_json_of_a_diff_has_these_members_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    pair("{type: integer}", "{type: boolean}")
    _, printed, _ = run(capsys, "diff", "old.yaml", "new.yaml", "--format", "json")
    answer = json.loads(printed)
    assert list(answer) == ["verdict", "bump", "ruleset", "coverage", "findings"]
    assert list(answer["findings"][0]) == [
        *("rule", "severity", "direction", "operation", "old", "new", "message", "witness", "proof")
    ]


def test_a_finding_is_shown_beside_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    pair("{type: integer}", "{type: boolean}")
    _, printed, _ = run(capsys, "diff", "old.yaml", "new.yaml", "--format", "github")
    assert printed.startswith("::error file=new.yaml,line=7,title=compat.type-changed::GET /a: ")


def test_every_command_stands_in_one_chapter_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    named = [name for _, names in CHAPTERS for name in names.split()]
    assert sorted(named) == sorted(commands_of(typer.main.get_command(app)))
    _, printed, _ = run(capsys, "--help")
    assert all(f"{title}:\n" in printed for title, _ in CHAPTERS)
    assert "More:" not in printed


def test_no_line_of_a_list_of_commands_is_cut_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cut = []
    for name, command in ("", typer.main.get_command(app)), *commands_of(typer.main.get_command(app)).items():
        if commands_of(command):
            _, printed, _ = run(capsys, *name.split(), "--help")
            cut += [line for line in printed.splitlines()[1:] if line.endswith("...")]
    assert cut == []


def test_an_optional_argument_has_one_pair_of_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = run(capsys, "explain", "--help")
    assert printed.startswith("Usage: weighbridge explain [OPTIONS] [RULE]\n")


@pytest.mark.parametrize(
    "command",
    [("apps", "certificate", "edi-bridge", "--file"), ("anchors", "put", "oakhurst"), ("apps", "add-key", "a")],
)
def test_a_private_key_is_not_sent_to_be_refused(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "own.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    code, _, error = run(capsys, *command, "own.pem")
    assert code == Exit.UNREADABLE
    assert "a private key, which never leaves its owner" in error


def commands_of(command: Any) -> dict[str, Any]:
    return getattr(command, "commands", {})
