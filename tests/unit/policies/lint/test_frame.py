from __future__ import annotations

from policies import lint
from policies.lint.frame import complete, merged
from policies.model.document import Document
from policies.rulesets import load


def test_the_frame_is_clean_under_every_ruleset_so_that_only_a_fragment_speaks() -> None:
    for ruleset in ("baseline", "strict", "lenient"):
        assert lint.check(Document(complete("")), load(ruleset)).findings == ()


def test_the_short_names_stand_for_places() -> None:
    tree = complete("get: {a: 1}\npost: {b: 2}\nread: {c: 3}\nrequest: {d: {}}\nresponse: {e: {}}\nparameters: [f]")
    items = tree["paths"]["/items"]
    assert (items["get"]["a"], items["post"]["b"], tree["paths"]["/items/{itemId}"]["get"]["c"]) == (1, 2, 3)
    assert tree["components"]["schemas"]["NewItem"]["properties"]["d"] == {}
    assert tree["components"]["schemas"]["Item"]["properties"]["e"] == {}
    assert items["get"]["parameters"][-1] == "f"
    assert "a" not in complete("")["paths"]["/items"]["get"], "one fragment leaves no trace in the next"


def test_merging_follows_rfc_7396() -> None:
    assert merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": None, "e": [4]}}) == {"a": 1, "b": {"d": 3, "e": [4]}}
    assert merged([1], {"a": {"b": None}}) == {"a": {}}
    assert merged({"a": 1}, "x") == "x"
