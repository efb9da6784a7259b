"""The differs that install from PyPI and npm: at which version, how each is called, and how its answer is read.

Knows nothing of labels or tables. Each peer has a folder of its own outside the repository (their dependencies do not
agree) and runs without our environment. A peer on the command line is called by its own entry point, a library by the
function its manual names; both inside one process that lives for the whole run, since starting an interpreter eight
hundred times would measure the interpreter. `started` is the honest other half: a new process for one pair.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Said = Literal["compatible", "breaking", "unproven", "error"]


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    version: str
    source: Literal["PyPI", "npm", "ours"]
    claims: str
    """Which documents it says it reads, in its own words as far as possible."""
    script: str
    """PyPI: its console script. npm: JavaScript that defines ``judge(before, after, file)``."""
    arguments: tuple[str, ...] = ()
    """What the script is called with; ``{old}`` and ``{new}`` are the files."""
    reads: Callable[[Any], Said] = lambda said: "breaking" if said["breaking"] else "compatible"
    """Its verdict, out of the JSON that it writes."""
    called: str = ""
    binary: str = ""
    """npm: the command it brings, if it brings one."""

    @property
    def command(self) -> str:
        """How it is called, for the table."""
        return self.called or f"`{' '.join((self.script, *self.arguments)).format(old='OLD', new='NEW')}`"


@dataclass(frozen=True, slots=True)
class Answer:
    said: Said
    seconds: float
    fault: str = ""


def _said(breaking: Any) -> Said:
    return "breaking" if breaking else "compatible"


OURS = Peer(
    "weighbridge",
    "this tree",
    "ours",
    "OpenAPI 3.0 and 3.1",
    "weighbridge",
    ("diff", "{old}", "{new}", "--format", "json"),
    lambda said: said["verdict"],
)

LIBRARY = Peer(
    "weighbridge, as a library",
    "this tree",
    "ours",
    "OpenAPI 3.0 and 3.1",
    "",
    called="`policies.compat.check(old, new, ruleset)`: without the door that refuses what it cannot vouch for",
)

PEERS = (
    Peer(
        "api-diff-sentinel",
        "1.0.2",
        "PyPI",
        "OpenAPI, no version named",
        "api-diff",
        ("{old}", "{new}", "--json"),
        lambda said: _said(said["is_breaking"]),
    ),
    Peer(
        "api-governor",
        "1.0.0",
        "PyPI",
        "OpenAPI 3.0 and 3.1",
        "api-governor",
        ("{new}", "--baseline", "{old}", "--policy", "{policy}", "--json"),
        lambda said: _said(said["breaking_changes"]),
        "`api-governor NEW --baseline OLD --policy EMPTY --json`: its default policy file is not in the wheel, so it "
        "gets an empty one, with which every check of its differ is on; read are its `breaking_changes`, not its lint",
    ),
    Peer(
        "api-schema-diff",
        "1.0.4",
        "PyPI",
        "OpenAPI 3.x",
        "api-schema-diff",
        ("{old}", "{new}", "--format", "json"),
        lambda said: _said(said["breaking"]),
    ),
    Peer(
        "breakwatch",
        "0.1.0",
        "PyPI",
        "OpenAPI 3.x",
        "breakwatch",
        ("diff", "{old}", "{new}", "--format", "json"),
        lambda said: _said(said["summary"]["breaking"]),
        "`breakwatch diff OLD NEW --format json`; *risky* is not counted as breaking, as in its exit code",
    ),
    Peer(
        "contractor-cli",
        "0.1.0",
        "PyPI",
        "OpenAPI, no version named",
        "contractor",
        ("diff", "--engine", "legacy", "--base", "{old}", "--candidate", "{new}", "--format", "json"),
        called="`contractor diff --engine legacy --base OLD --candidate NEW --format json`: its default engine is the "
        "`oasdiff` binary, which the package does not bring; this is the built-in one that its error message offers",
    ),
    Peer(
        "schemawatch",
        "0.1.4",
        "PyPI",
        "OpenAPI, no version named",
        "schemawatch",
        ("{old}", "{new}", "--format", "json"),
        lambda said: _said(said["breaking_changes_detected"]),
    ),
    Peer(
        "specshift",
        "1.5.0",
        "PyPI",
        "OpenAPI and Swagger, no version named",
        "specshift",
        ("diff", "{old}", "{new}", "--format", "json"),
        lambda said: _said(said["has_breaking_changes"]),
        "`specshift diff OLD NEW --format json`; its *warnings* are not counted as breaking, as in its exit code",
    ),
    Peer(
        "api-smart-diff",
        "1.0.6",
        "npm",
        "OpenAPI 3.0",
        """
        const { apiCompare } = require("api-smart-diff");
        const judge = async (before, after) =>
          ({ breaking: apiCompare(before, after).diffs.some((diff) => diff.type === "breaking") });
        """,
        called="a library: `apiCompare(old, new).diffs`, breaking when one is of type `breaking`",
    ),
    Peer(
        "openapi-diff",
        "0.24.1",
        "npm",
        "Swagger 2.0 and OpenAPI 3.0; by its own list not parameters, not security, not callbacks, only JSON bodies",
        """
        const differ = require("openapi-diff");
        const spec = (tree, location) => ({ content: JSON.stringify(tree), location, format: "openapi3" });
        const judge = async (before, after) => {
          const told = { sourceSpec: spec(before, "old.json"), destinationSpec: spec(after, "new.json") };
          return { breaking: (await differ.diffSpecs(told)).breakingDifferencesFound };
        };
        """,
        called="its API: `diffSpecs(...).breakingDifferencesFound`, which is what its command's exit code says",
        binary="openapi-diff",
    ),
    Peer(
        "openapi-schema-diff",
        "0.0.1",
        "npm",
        "OpenAPI, both of one major version",
        """
        const compare = require("openapi-schema-diff");
        const judge = async (before, after) => {
          const { deletedRoutes, changedRoutes } = compare(before, after);
          return { breaking: deletedRoutes.length + changedRoutes.length > 0 };
        };
        """,
        called="a library: breaking when `deletedRoutes` or `changedRoutes` of its answer hold anything; kinder to "
        "it than its own `isEqual`, where a new route breaks too",
    ),
)

NOT_MEASURED = {
    "@azure/oad 0.12.4 (npm)": "reads Swagger 2.0 only and refuses any other document: it would be an error for every "
    "pair, at two to three seconds each. It also installs its AutoRest core at the first call.",
    "oasdiff": "the best known of all is a Go program and in neither registry as such. What fetches a binary when "
    "it is installed or first called is not measured: the bench runs what the registries hold.",
}

_PYTHON = """
import contextlib, importlib.metadata, io, json, sys, time
name, = sys.argv[1:]
entry = next(e for e in importlib.metadata.entry_points(group="console_scripts") if e.name == name).load()
answers = sys.stdout
print("ready", file=answers, flush=True)
for line in sys.stdin:
    sys.argv = [name, *json.loads(line)["argv"]]
    out, err, fault = io.StringIO(), io.StringIO(), ""
    started = time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            entry()
        except SystemExit:
            pass
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    print(json.dumps([seconds, out.getvalue(), fault or err.getvalue()]), file=answers, flush=True)
"""
_NODE = """
const { performance } = require("node:perf_hooks");
const { readFileSync, writeSync } = require("node:fs");
console.log = console.info = console.warn = console.error = () => {};
const say = (line) => writeSync(1, line + "\\n");
const main = async () => {
  say("ready");
  for await (const line of require("node:readline").createInterface({ input: process.stdin })) {
    const { old, new: after } = JSON.parse(line);
    let said = null, fault = "";
    const started = performance.now();
    try {
      said = await judge(JSON.parse(readFileSync(old)), JSON.parse(readFileSync(after)));
    } catch (error) { fault = String(error); }
    say(JSON.stringify([(performance.now() - started) / 1000, said ? JSON.stringify(said) : "", fault]));
  }
};
main();
"""


class Running:
    """One peer, installed, answering pair after pair. A call that outlasts `limit` seconds ends its process and is an
    error; the next pair gets a new process."""

    def __init__(self, peer: Peer, cache: Path, limit: float) -> None:
        self.peer, self.limit = peer, limit
        self.home = cache / f"{peer.name}-{peer.version.replace(' ', '-')}"
        self.process: subprocess.Popen[str] | None = None

    def install(self) -> None:
        """Once; a stamp is left only by an install that ended well. Nothing that a package would run is run."""
        stamp = self.home / "installed"
        if not stamp.exists():
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir(parents=True)
            for command in self._installers():
                subprocess.run(command, cwd=self.home, check=True, timeout=180, stdout=subprocess.DEVNULL)
            (self.home / "empty.yaml").write_text("{}\n")
            (self.home / "driver.py").write_text(_PYTHON)
            stamp.touch()
        if self.peer.source == "npm":
            (self.home / "driver.cjs").write_text(self.peer.script + _NODE)

    def _installers(self) -> list[list[str]]:
        pinned = f"{self.peer.name}{'@' if self.peer.source == 'npm' else '=='}{self.peer.version}"
        if self.peer.source == "ours":
            return []
        if self.peer.source == "npm":
            quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
            return [["npm", "install", "--prefix", str(self.home), *quiet, pinned]]
        pip = [str(self.home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        return [[sys.executable, "-m", "venv", str(self.home)], [*pip, "--only-binary", ":all:", pinned]]

    @property
    def binaries(self) -> Path:
        return Path(sys.executable).parent if self.peer.source == "ours" else self.home / "bin"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "COLUMNS": "400",
            "NO_COLOR": "1",
        }

    def ask(self, old: Path, new: Path) -> Answer:
        """One pair, inside the process that lives on."""
        process = self.process = self.process or self._begin()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"old": str(old), "new": str(new), "argv": self._arguments(old, new)}) + "\n")
        process.stdin.flush()
        line = self._line(process, self.limit)
        if not line:
            self.close()
            return Answer("error", self.limit, "no answer: it ended, or was ended at the time limit")
        seconds, out, fault = json.loads(line)
        try:
            return Answer(self.peer.reads(json.loads(out)), seconds)
        except (ValueError, KeyError, TypeError):
            told = " ".join((fault or out or "no answer").split())
            return Answer("error", seconds, told.replace(f"{old.parent}/", "").replace(f"{self.home}/", "")[:500])

    def started(self, old: Path, new: Path) -> tuple[float, int | None]:
        """Seconds of a process of its own for one pair, and its exit code; none for a library, which has no command."""
        began = time.perf_counter()
        if self.peer.source == "npm" and not self.peer.binary:
            self.close()
            self.ask(old, new)
            self.close()
            return time.perf_counter() - began, None
        if self.peer.source == "npm":
            command = [str(self.home / "node_modules" / ".bin" / self.peer.binary), str(old), str(new)]
        else:
            command = [str(self.binaries / self.peer.script), *self._arguments(old, new)]
        try:
            done = subprocess.run(
                command, env=self.environment, cwd=self.home, capture_output=True, timeout=self.limit, check=False
            )
        except subprocess.TimeoutExpired:
            return self.limit, -1
        return time.perf_counter() - began, done.returncode

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _arguments(self, old: Path, new: Path) -> list[str]:
        return [text.format(old=old, new=new, policy=self.home / "empty.yaml") for text in self.peer.arguments]

    def _begin(self) -> subprocess.Popen[str]:
        python = [str(self.binaries / "python"), str(self.home / "driver.py"), self.peer.script]
        command = ["node", "driver.cjs"] if self.peer.source == "npm" else python
        process = subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.home,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if self._line(process, 30).strip() != "ready":
            process.kill()
            process.communicate()
            raise RuntimeError(f"{self.peer.name} does not start: {' '.join(command)} in {self.home}")
        return process

    def _line(self, process: subprocess.Popen[str], limit: float) -> str:
        """The next line, or nothing when none came in time or the process has ended. One question, one line: nothing
        waits in a buffer that `select` cannot see."""
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], limit)
        return process.stdout.readline() if ready else ""
