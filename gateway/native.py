"""The hot modules compiled by mypyc, as an optional build of the same source: ``python -m gateway.native FOLDER``.

With ``--check`` they are translated and nothing is built, which needs no C compiler: what mypy lets pass may still be
no program for mypyc, an int in the place of a float among them.

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
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gateway", "policies", "registry", "weighbridge", "specs")
INTERPRETED = frozenset({"__init__"})
MODULES = (
    *(
        f"gateway/{name}.py"
        for name in (
            "answer connection fields framing heads line passage pipeline reading replies target telemetry templates "
            "traced upstream usage worker"
        ).split()
    ),
    *(f"gateway/counters/{name}.py" for name in "durable memory quota".split()),
)
"""Besides all of ``policies/traffic`` but its package module, whose classes are structs."""

_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(name="native", packages=[], ext_modules=mypycify(sys.argv[3:], opt_level="3"), script_args=sys.argv[1:3])
"""

_TRANSLATE = """
import sys
from mypyc.build import mypycify
mypycify(sys.argv[2:], target_dir=sys.argv[1])
"""


def modules(root: Path) -> list[str]:
    """What is compiled, as paths relative to `root`."""
    traffic = sorted(path for path in (root / "policies/traffic").glob("*.py") if path.stem not in INTERPRETED)
    return [*MODULES, *(str(path.relative_to(root)) for path in traffic)]


def check() -> None:
    """Raises `SystemExit` when the hot modules cannot be translated."""
    with TemporaryDirectory() as folder:
        _run("-c", _TRANSLATE, folder, *modules(ROOT), cwd=ROOT)


def build(folder: Path) -> None:
    """Raises `SystemExit` with what went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    said = _run("-c", _SETUP, "build_ext", "--inplace", *modules(folder), cwd=folder)
    if not list(folder.glob("*__mypyc.*")):
        raise SystemExit(f"not compiled:\n{said}")
    shutil.rmtree(folder / "build", ignore_errors=True)


def _run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    said = "\n".join(line for line in done.stdout.splitlines() if ": warning: " not in line)[-4000:]
    if done.returncode:
        raise SystemExit(f"not compiled:\n{said}")
    return said


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m gateway.native FOLDER, or --check")
    if sys.argv[1] == "--check":
        check()
    else:
        build(Path(sys.argv[1]).absolute())
