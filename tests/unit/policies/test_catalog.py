from __future__ import annotations

import pytest

from policies import catalog
from policies.findings import Severity


def test_entries_are_sorted_by_id_and_of_the_family_asked_for() -> None:
    ids = [entry.id for entry in catalog.entries("lint")]
    assert ids == sorted(ids)
    assert {id_.partition(".")[0] for id_ in ids} == {"lint"}
    assert set(ids) < {entry.id for entry in catalog.entries()}


def test_an_unknown_id_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        catalog.get("lint.no-such-rule")


def test_a_rule_without_a_docstring_is_refused() -> None:
    def silent_rule() -> None: ...

    with pytest.raises(catalog.InvalidCatalog, match=r"lint\.silent-rule has no docstring"):
        catalog.register("lint", silent_rule, severity=Severity.ERROR)


def test_a_malformed_id_is_refused() -> None:
    def Loud__rule() -> None:
        """It shouts."""

    with pytest.raises(catalog.InvalidCatalog, match="is not <family>"):
        catalog.register("lint", Loud__rule, severity=Severity.ERROR)


def test_a_second_rule_of_the_same_id_is_refused_with_both_places() -> None:
    def version_is_semver() -> None:
        """Again."""

    catalog.discover()
    with pytest.raises(
        catalog.InvalidCatalog, match=r"is defined in policies\.lint\.documentation:\d+ and in tests\.unit.*:\d+$"
    ):
        catalog.register("lint", version_is_semver, severity=Severity.ERROR)


def test_the_second_of_two_rules_of_one_name_in_one_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_entries", {})

    def rule_one() -> None:
        """First."""

    first = rule_one

    def rule_one() -> None:  # type: ignore[no-redef]
        """Second."""

    assert catalog.register("lint", first, severity=Severity.ERROR).summary == "First."
    assert catalog.register("lint", first, severity=Severity.INFO).severity is Severity.INFO
    with pytest.raises(catalog.InvalidCatalog, match=r"lint\.rule-one is defined in"):
        catalog.register("lint", rule_one, severity=Severity.ERROR)


def test_explain_says_text_severity_options_and_examples() -> None:
    assert catalog.explain("lifecycle.notice-long-enough") == (
        "# lifecycle.notice-long-enough\n"
        "\n"
        "Between deprecation and sunset lies the notice period of the contract's audience.\n"
        "\n"
        "Partners plan releases by the half-year and freeze before peak season; a shorter notice is one they cannot "
        "follow.\n"
        "Options ``partner_days`` and ``internal_days``.\n"
        "\n"
        "Severity: warning by default.\n"
        "\n"
        "Kind: actions deprecate; forcible yes.\n"
        "\n"
        "Options and their defaults:\n"
        "\n"
        "- `partner_days`: `180`\n"
        "- `internal_days`: `30`\n"
        "\n"
        "## Passes\n"
        "\n"
        "```yaml\naction: deprecate\nsunset_at: 180 days from now\n```\n"
        "\n"
        "```yaml\naction: deprecate\nsunset_at: 30 days from now\naudience: internal\n```\n"
        "\n"
        "```yaml\naction: deprecate\nsunset_at: 1 days from now\nstage: deprecated\ndeprecated_at: 180 days ago\n```\n"
        "\n"
        "## Is held up\n"
        "\n"
        "```yaml\naction: deprecate\nsunset_at: 179 days from now\n```\n"
        "\n"
        "```yaml\naction: deprecate\nsunset_at: 29 days from now\naudience: internal\n```\n"
    )


def test_a_case_of_two_documents_is_shown_before_and_after() -> None:
    class Pair:
        old = "type: string\n"
        new = "type: integer"
        frame = "response"

    assert catalog._shown(Pair()) == "# before (response)\ntype: string\n# after (response)\ntype: integer"
