"""How a contract's folder is read: names, order, variables, bundles, and errors that say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.applying import contract_of, read_contract, read_folder, version_files
from weighbridge.documents import bundle_of, parse_file, unreadable
from weighbridge.errors import CommandError

CONTRACT = "name: notes\ntitle: Notes\nowner: desk\naudience: internal\n"


def home(tmp_path: Path, text: str = CONTRACT, *versions: str) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "contract.yaml").write_text(text)
    for number in versions:
        (folder / f"{number}.yaml").write_text("openapi: 3.1.0\n")
    return folder


def test_versions_come_in_semver_order_not_in_text_order(tmp_path: Path) -> None:
    folder = home(tmp_path, CONTRACT, "1.10.0", "1.9.0", "2.0.0", "1.9.0-rc.1")
    assert [path.stem for path in version_files(folder)] == ["1.9.0-rc.1", "1.9.0", "1.10.0", "2.0.0"]


def test_a_contract_folder_and_a_folder_of_folders_read_the_same(tmp_path: Path) -> None:
    folder = home(tmp_path, CONTRACT, "1.0.0")
    assert read_folder(folder) == read_folder(tmp_path)


def test_refused_subfolders_are_not_versions(tmp_path: Path) -> None:
    folder = home(tmp_path, CONTRACT, "1.0.0")
    (folder / "refused").mkdir()
    (folder / "refused" / "1.1.0.yaml").write_text("openapi: 3.1.0\n")
    assert [path.stem for path in read_folder(folder)[0].files] == ["1.0.0"]


def test_a_file_that_is_no_version_is_named(tmp_path: Path) -> None:
    folder = home(tmp_path, CONTRACT, "1.0.0")
    (folder / "notes.yaml").write_text("openapi: 3.1.0\n")
    with pytest.raises(CommandError, match=r"notes\.yaml: version files are named by their number"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "not YAML"),
        (CONTRACT + "audeince: partner\n", "unknown field `audeince`"),
        (CONTRACT.replace("internal", "public"), r"Invalid enum value 'public' - at `\$.audience`"),
        ("title: Notes\nowner: desk\naudience: internal\n", "missing required field `name`"),
    ],
)
def test_a_bad_contract_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    folder = home(tmp_path, text)
    with pytest.raises(CommandError, match=message):
        read_contract(folder / "contract.yaml")


def test_variables_come_from_the_environment_or_their_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CONTRACT + "upstreams:\n  default: {url: '${NOTES_URL:-http://127.0.0.1:9300}/v{major}'}\n"
    folder = home(tmp_path, text)
    monkeypatch.delenv("NOTES_URL", raising=False)
    assert read_contract(folder / "contract.yaml").upstreams["default"].url == "http://127.0.0.1:9300/v{major}"
    monkeypatch.setenv("NOTES_URL", "http://notes:80")
    assert read_contract(folder / "contract.yaml").upstreams["default"].url == "http://notes:80/v{major}"


def test_a_variable_without_value_or_default_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTES_URL", raising=False)
    folder = home(tmp_path, CONTRACT + "upstreams:\n  default: {url: '${NOTES_URL}'}\n")
    with pytest.raises(CommandError, match="the environment has no NOTES_URL"):
        read_contract(folder / "contract.yaml")


def test_a_version_file_belongs_to_the_contract_beside_or_above_it(tmp_path: Path) -> None:
    folder = home(tmp_path, CONTRACT, "1.0.0")
    (folder / "refused").mkdir()
    assert contract_of(folder / "1.0.0.yaml") == "notes"
    assert contract_of(folder / "refused" / "1.1.0.yaml") == "notes"
    with pytest.raises(CommandError, match="use --contract NAME"):
        contract_of(tmp_path.parent / "elsewhere" / "1.0.0.yaml")


def test_a_bundle_takes_files_below_its_folder_and_nothing_else(tmp_path: Path) -> None:
    folder = home(tmp_path)
    (folder / "parts").mkdir()
    (folder / "parts" / "money.yaml").write_text("amount: {$ref: 'digits.yaml#/d'}\n")
    (folder / "parts" / "digits.yaml").write_text("d: {type: string}\n")
    (tmp_path / "secret.yaml").write_text("s: 1\n")
    document = folder / "1.0.0.yaml"
    document.write_text(
        "a: {$ref: 'parts/money.yaml#/amount'}\nb: {$ref: '../secret.yaml'}\n"
        "c: {$ref: 'https://example.com/x.yaml'}\nd: {$ref: '#/a'}\ne: {$ref: '/etc/hostname'}\n"
    )
    assert set(bundle_of(document, document.read_bytes())) == {"parts/money.yaml", "parts/digits.yaml"}


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"openapi: 3.1.0\n\tinfo: x\n", "v.yaml:2: /: not YAML"),
        (b"a: \xe9\n", "v.yaml:1: /: not UTF-8"),
        (b"", "v.yaml:1: /: the document is empty"),
        (b'swagger: "2.0"\n', "v.yaml:1: /swagger: Swagger 2.0 is not accepted"),
    ],
)
def test_a_file_that_cannot_be_read_says_the_line(tmp_path: Path, data: bytes, line: str) -> None:
    (tmp_path / "v.yaml").write_bytes(data)
    with pytest.raises(CommandError, match="is not a contract this can read") as caught:
        parse_file(tmp_path / "v.yaml")
    assert caught.value.lines[0].startswith(f"  {tmp_path}/{line}")


def test_a_fault_in_another_file_of_the_bundle_names_that_file(tmp_path: Path) -> None:
    error = unreadable(tmp_path / "v.yaml", [("parts/money.yaml#/type", 3, "not a type")])
    assert error.lines == (f"  {tmp_path}/parts/money.yaml:3: /type: not a type",)
