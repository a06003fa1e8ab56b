"""A moat.yaml that somebody proposes, checked without what only the server may know.

`moat config check` builds the providers, with the environment's values in their blocks; what it then refuses it shows.
Who proposes a file must not learn a variable by putting it where it does not fit, so blocks are looked at without.
"""

from collections.abc import Mapping

from moat.bootstrap.connections import read_block
from moat.bootstrap.handling import handling
from moat.bootstrap.limits import all_limits
from moat.bootstrap.model_checks import unknown_quality
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings, references, without_secrets
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suites import unknown_required
from moat.domain.errors import ConfigError


def check_proposed(project: Project, in_force: Settings, environ: Mapping[str, str]) -> None:
    """Raise `ConfigError` for the first thing that would keep the project's moat.yaml from being in force.

    Providers that are as they are `in_force` are sound. A new block that refers to variables is read without them:
    what it refuses may be for want of them, and is left to `moat config check` where they are set.
    """
    settings = project.settings
    config, document = settings.config, settings.document
    all_limits(config, environ)
    handling(config, document)
    suites = suite_files(project.root)
    for error in (*unknown_required(settings, suites), *unknown_quality(config, document, suites)):
        raise error
    for name, block in config.providers.items():
        if block == in_force.config.providers.get(name):
            continue
        try:
            read_block(name, settings, without_secrets(block, {}))
        except ConfigError:
            if not references(str(block)):
                raise
