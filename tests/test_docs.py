"""Documentation that cannot lie: generated pages are current, and every public name is written down."""

from __future__ import annotations

import re
from datetime import UTC
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
import typer
import yaml

from policies import catalog
from policies.model.access import Plan
from policies.rulesets import load
from policies.traffic.limit_allowance import Allowance
from registry.plans import require_sound
from tests.golden.test_compat_truth import labelled
from weighbridge.applying import read_contract
from weighbridge.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["rules.md", "settings.md", "roles.md"])
def test_generated_pages_are_current(generate: ModuleType, name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == generate.PAGES[name](), "run `make docs`"


def test_every_setting_says_what_it_means(generate: ModuleType) -> None:
    for _, path in generate.SETTINGS.values():
        rows = list(generate.fields(ROOT / path))
        assert rows
        assert [name for name, _, text in rows if not text] == []


def test_every_command_is_in_the_readme() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) > 15
    assert [name for name in commands if not re.search(rf"`(weighbridge )?{name}\b|`{name}`", README)] == []


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_decisions_are_numbered_through() -> None:
    numbers = sorted(path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_every_rule_explains_itself() -> None:
    for entry in catalog.entries():
        text = catalog.explain(entry.id)
        assert entry.id in text
        assert len(entry.text) > 60, f"{entry.id}: the docstring is what a refused publisher reads"


def test_the_disputed_choices_are_those_of_the_rulesets() -> None:
    page = (ROOT / "docs" / "guides" / "compatibility.md").read_text()
    rows = re.findall(
        r"^\| [^|]*\(`(compat\.[a-z-]+)`(, option `harmless`)?\) \| (\w+) \| (\w+) \| (\w+) \|", page, re.M
    )
    assert len(rows) > 10
    for rule, harmless, *told in rows:
        held = [load(name) for name in ("lenient", "baseline", "strict")]
        true = [str(r.options(rule)["harmless"] if harmless else r.severity(rule)) for r in held]
        assert told == true, rule


def test_the_benchmark_speaks_of_pairs_that_are_there() -> None:
    told = (ROOT / "docs" / "differ-benchmark.md").read_text().partition("<!-- below")[0]
    named = re.findall(r"^- `([a-z-]+/[a-z/-]+)`", told, re.M)
    ids = [str(pair.id) for pair in labelled()]
    assert len(named) > 3
    assert [name for name in named if not any(pair.startswith(name) for pair in ids)] == []


def test_the_repository_speaks_of_the_project_alone() -> None:
    home = "/" + "work/main"
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "requirements").iterdir(),
        ROOT / "Makefile",
    ]:
        text = path.read_text()
        assert home not in text, path
        assert "--index-url" not in text, path


def test_the_contract_in_the_guide_is_one(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "publishing.md").read_text()
    (tmp_path / "contract.yaml").write_text(guide.partition("```yaml\n")[2].partition("```")[0])
    assert read_contract(tmp_path / "contract.yaml").name == "dock-notes"


def test_the_plan_in_the_guide_is_one(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "plans.md").read_text()
    told = yaml.safe_load(guide.partition("```yaml\n")[2].partition("```")[0])
    plan = msgspec.convert(told, Plan)
    require_sound(plan)
    call = Allowance(plan, "app", zones={plan.time_zone: UTC}).charges("quotePrices", 0)
    assert {charge.name: charge.weight for charge in call} == {"rate": 1, "minute": 1, "quotes": 1, "month": 10}
    shown = guide.partition("RateLimit-Policy: ")[2].partition(", ...")[0]
    month = next(charge for charge in call if charge.name == "month")
    assert month.policy == shown.replace("w=2678400", f"w={month.window}")


def test_the_guides_name_commands_and_options_that_exist() -> None:
    whole = typer.main.get_command(app)
    for page in (ROOT / "docs" / "guides").glob("*.md"):
        text = page.read_text()
        for line in re.findall(r"(?:^|`)weighbridge ((?:[a-z]+ ?)+.*?)(?:`|  #|$)", text, re.MULTILINE):
            command, words = whole, line.split()
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
            assert command.callback is not None, f"{page.name}: weighbridge {line}"
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known, f"{page.name}: weighbridge {line}"
