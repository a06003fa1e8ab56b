"""All versions of all prompts, in memory."""

from collections.abc import Iterable
from pathlib import Path

from moat.domain.errors import NotFound, PromptError
from moat.domain.releases import PromptVersion
from moat.prompts.files import Broken, PromptFile, Reader
from moat.prompts.semver import order
from moat.prompts.syntax import Spot
from moat.prompts.templates import place
from moat.prompts.variables import nearest


class Catalog:
    """Immutable index of prompt versions by name, each name's in ascending order."""

    def __init__(self, files: Iterable[PromptFile] = (), broken: Iterable[Broken] = ()) -> None:
        self.broken = tuple(broken)
        """Files that could not be read, with the reason; asking for such a version raises that."""
        self._errors = {(entry.name, entry.version): error for entry, error in self.broken}
        self._files: dict[str, dict[str, PromptFile]] = {}
        for file in sorted(files, key=lambda file: (file.prompt.name, order(file.prompt.version))):
            self._files.setdefault(file.prompt.name, {})[file.prompt.version] = file

        self._reader: Reader | None = None

    @classmethod
    def load(cls, root: Path, before: "Catalog | None" = None) -> "Catalog":
        """Read the prompts of a project; files that are broken end up in `broken`.

        What is unchanged since the catalog `before` of the same project was loaded is taken from there.
        """
        reader = Reader(root, before._reader if before is not None else None)
        loaded = cls(*reader.load())
        loaded._reader = reader
        return loaded

    def files(self) -> list[PromptFile]:
        """Every version with its place, by name and then oldest first."""
        return [file for versions in self._files.values() for file in versions.values()]

    def names(self) -> tuple[str, ...]:
        """Names of all prompts, sorted."""
        return tuple(self._files)

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a prompt, oldest first. Raises `NotFound` with the nearest name."""
        if name not in self._files:
            raise NotFound(f"there is no prompt {name!r}", remedy=nearest(name, self._files))
        return tuple(self._files[name])

    def all(self) -> list[PromptVersion]:
        """Every version, by name and then oldest first."""
        return [file.prompt for versions in self._files.values() for file in versions.values()]

    def get(self, name: str, version: str) -> PromptVersion:
        """One exact version.

        Raises `NotFound` with the versions there are; `latest` and no version at all are refused the same
        way. Raises the reason, an `InputError`, for a version whose file is broken.
        """
        return self.file(name, version).prompt

    def file(self, name: str, version: str) -> PromptFile:
        """The file of a version. Raises like `get`."""
        found = self._files.get(name, {}).get(version)
        if found is not None:
            return found
        if (name, version) in self._errors:
            error = self._errors[name, version]
            raise PromptError(error.what, where=error.where, remedy=error.remedy)
        versions = ", ".join(self.versions(name))
        if version in ("", "latest"):
            what = f"there is no latest version of {name}: what runs must be named"
            raise NotFound(what, remedy=f"Ask for one of its versions ({versions}) or for an environment.")
        raise NotFound(f"there is no version {version!r} of {name}", remedy=f"There are: {versions}.")

    def where(self, prompt: PromptVersion, spot: Spot) -> str:
        """`file:line` of a spot in a version's text; in words for a text that is not of this catalog."""
        file = self._files.get(prompt.name, {}).get(prompt.version)
        if file is None or (file.prompt.messages, file.prompt.partials) != (prompt.messages, prompt.partials):
            return place(prompt, spot)
        return file.place(spot)
