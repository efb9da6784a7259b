"""The hot modules compiled by mypyc, as an optional build of the same source: ``python -m gateway.native FOLDER``.

FOLDER gets a copy of the packages with extension modules beside the sources; whoever imports from there runs the same
gateway with a third less interpreter. Needs a C compiler and mypy, which nothing else of the product does. Why these
modules and no others: they run for every exchange, and their classes are plain ones, without metaclass or generics.

Must not know: anything that is compiled. The one subtle thing: the copy is made anew each time, because an extension
beside a source that has changed since would win over it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gateway", "policies", "registry", "weighbridge", "specs")
INTERPRETED = frozenset({"__init__"})
MODULES = (
    *(
        f"gateway/{name}.py"
        for name in (
            "answer connection fields framing heads line passage pipeline reading replies target templates traced "
            "upstream usage worker"
        ).split()
    ),
    "gateway/counters/memory.py",
)
"""Besides all of ``policies/traffic`` but its package module, whose classes are structs."""

_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(name="native", packages=[], ext_modules=mypycify(sys.argv[3:], opt_level="3"), script_args=sys.argv[1:3])
"""


def build(folder: Path) -> None:
    """Raises `SystemExit` with what went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    traffic = sorted(path for path in (folder / "policies/traffic").glob("*.py") if path.stem not in INTERPRETED)
    modules = [*MODULES, *(str(path.relative_to(folder)) for path in traffic)]
    done = subprocess.run(
        [sys.executable, "-c", _SETUP, "build_ext", "--inplace", *modules],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode or not list(folder.glob("*__mypyc.*")):
        raise SystemExit(f"not compiled:\n{done.stdout[-4000:]}")
    shutil.rmtree(folder / "build", ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m gateway.native FOLDER")
    build(Path(sys.argv[1]).absolute())
