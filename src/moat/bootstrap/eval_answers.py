"""The cache of evaluations: answers of earlier runs, by what stands behind each provider's name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moat.bootstrap.behind import LOCAL
from moat.bootstrap.connections import connection, read_block
from moat.bootstrap.models import all_targets, deployment_of
from moat.bootstrap.project import Project
from moat.bootstrap.settings import without_credentials
from moat.domain.releases import digest

if TYPE_CHECKING:
    from moat.adapters.sqlite.eval_answers import SqliteEvalAnswers


@contextmanager
def open_answers(project: Project, environ: Mapping[str, str], *, refresh: bool) -> Iterator["SqliteEvalAnswers"]:
    """The project's, for a while. `refresh`: nothing is taken from it."""
    from moat.adapters.sqlite.eval_answers import SqliteEvalAnswers  # see `moat.bootstrap.state`

    answers = SqliteEvalAnswers(project.folder / "eval-answers.db", _identities(project, environ), refresh=refresh)
    try:
        yield answers
    finally:
        answers.close()


def _identities(project: Project, environ: Mapping[str, str]) -> dict[str, str]:
    """Of each provider that some model uses: its block as it acts here, and the hosts that it leads to.

    A key that is exchanged changes nothing; another address, region or kind does.
    """
    settings = project.settings
    config = settings.config
    used = {deployment_of(target).provider for model in config.models.values() for target in all_targets(model)}
    found = {}
    for name in sorted(used & config.providers.keys()):
        block = config.providers[name]
        if block["kind"] not in LOCAL:
            options = read_block(name, settings, environ)[1]
            hosts = connection(name, config, options, environ).hosts
            found[name] = digest([without_credentials(block, environ), hosts])
    return found
