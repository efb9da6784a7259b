from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.demo.backends.contracts import application, newest, read
from weighbridge.demo.backends.settings import SPECS

DOCUMENT = """
openapi: 3.1.0
info: {title: Pricing, version: NUMBER}
paths:
  /prices/{priceId}:
    get: {operationId: getQuote, responses: {'200': {description: OK}}}
  /prices/today:
    get: {operationId: listPrices, responses: {'200': {description: OK}}}
    post: {operationId: quotePrices, responses: {'201': {description: on 2026-03-31}}}
"""


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    folder = tmp_path / "pricing"
    (folder / "refused").mkdir(parents=True)
    for number in ("1.0.0", "1.10.0", "1.9.0", "2.0.0", "2.1.0-rc"):
        (folder / f"{number}.yaml").write_text(DOCUMENT.replace("NUMBER", number), encoding="utf-8")
    (folder / "refused" / "2.9.0.yaml").write_text(DOCUMENT, encoding="utf-8")
    (folder / "contract.yaml").write_text("name: pricing", encoding="utf-8")
    return tmp_path


def test_the_newest_of_each_major_is_served(specs: Path) -> None:
    assert {major: served.number for major, served in newest(specs, "pricing").items()} == {1: "1.10.0", 2: "2.0.0"}
    # a major that has but one version has nothing to be behind of
    assert {major: served.number for major, served in newest(specs, "pricing", 1).items()} == {1: "1.9.0", 2: "2.0.0"}
    assert newest(specs, "no-such") == {}


def test_literal_paths_win(specs: Path) -> None:
    served = newest(specs, "pricing")[2]
    assert [operation.operation_id for operation in served.operations_at("/prices/today")] == [
        "listPrices",
        "quotePrices",
    ]
    assert [operation.operation_id for operation in served.operations_at("/prices/P-1")] == ["getQuote"]
    assert served.operations_at("/prices/P-1/more") == []
    assert served.base_path == "/pricing/v2"


def test_an_operation_without_handler_stops_the_start(specs: Path) -> None:
    path = specs / "pricing" / "2.0.0.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("getQuote", "forgetQuote"), encoding="utf-8")
    with pytest.raises(LookupError, match=r"pricing 2.0.0: no handler .*pricing_v2.forget_quote"):
        application(read("pricing", path))


@pytest.mark.parametrize("contract", sorted(path.name for path in SPECS.iterdir() if path.is_dir()))
def test_handlers_and_operations_match_both_ways(contract: str) -> None:
    for served in newest(SPECS, contract).values():
        wanted = {served.handler(str(operation.operation_id)) for operation in served.document.operations}
        public = {
            function
            for name, function in vars(served.module).items()
            if callable(function)
            and getattr(function, "__module__", "") == served.module.__name__
            and not name.startswith("_")
            and name != "error_body"
        }
        assert wanted == public
