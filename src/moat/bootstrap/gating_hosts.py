"""Which hosts the secrets of a project may go to while somebody's change of it is judged: those of the merge base."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from moat.bootstrap.connections import StatedHosts, service, stated
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings, resolve
from moat.bootstrap.state import State
from moat.bootstrap.suite_files import suite_files
from moat.documents import read_yaml
from moat.domain.connections import Connection
from moat.domain.errors import InputError
from moat.evals.suites import load_suite
from moat.evals.targets.spec import HttpSpec


def confined(state: State, old: Project, environ: Mapping[str, str]) -> State:
    """A state that knows where the files of a base send secrets: a fresh checkout remembers nothing itself."""
    return replace(state, hosts=StatedHosts(state.hosts, _connections(old, environ), everywhere=True))


def _connections(old: Project, environ: Mapping[str, str]) -> Iterator[Connection]:
    """What its moat.yaml and its suites connect to; what cannot be read connects to nothing."""
    with suppress(InputError):
        settings = old.settings
        yield from stated(settings, environ)
        for name, path in suite_files(old.root).items():
            with suppress(InputError):
                if isinstance(load_suite(path).target, HttpSpec):
                    document = read_yaml(path)
                    raw = document.data["target"]
                    here = Settings(old.root, settings.config, document)
                    url = resolve(raw["url"], here, ["target", "url"], environ)
                    yield service(f"suite {name}", url, raw, environ)
