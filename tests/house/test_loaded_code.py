"""Code comes from what is installed, never from what is sent: where modules are loaded, and programs started."""

import ast
import re
from pathlib import Path

import pytest

from moat.api.routes import ENDPOINTS
from moat.prompts import functions
from tests.house.test_rules import SOURCE, trees

pytestmark = pytest.mark.no_cover

LOADERS = {
    "adapters/providers/litellm_sdk.py": "one name, written there",
    "bootstrap/plugins.py": "providers shipped with Moat, and entry points of installed packages",
    "cli/main.py": "its own commands, by its own table",
    "evals/project_code.py": "a Python file of the project that a suite names",
    "evals/scorers/foreign/library.py": "one of three libraries, named there",
    "evals/scorers/plugins.py": "entry points of installed packages",
    "guards/detector.py": "its own detectors, by its own table",
    "prompts/functions.py": "a Python file that a person names on the command line",
}
STARTERS = {
    "adapters/git/repository.py": "git",
    "bootstrap/crew.py": "its own worker processes",
    "bootstrap/draft_evals.py": "itself, to evaluate a draft apart",
    "cli/serve.py": "itself, as the server",
    "spend/apart.py": "itself, to look prices up apart",
}
LOADING = re.compile(
    r"(^|\.)(import_module|spec_from_file_location|module_from_spec|exec_module|load_module|SourceFileLoader|"
    r"run_path|run_module|entry_points|compile_command|InteractiveInterpreter)$"
)
STARTING = re.compile(
    r"(^|\.)(Popen|check_output|check_call|getoutput|create_subprocess_exec|create_subprocess_shell)$|"
    r"^os\.(system|popen|exec\w+|spawn\w+|posix_spawn\w*|fork\w*)$|^subprocess\.(run|call)$"
)


def calls(name: str, tree: ast.Module, wanted: re.Pattern[str]) -> list[tuple[str, ast.Call]]:
    return [
        (name, node) for node in ast.walk(tree) if isinstance(node, ast.Call) and wanted.search(ast.unparse(node.func))
    ]


@pytest.mark.promise("inj-3")
def test_modules_are_loaded_where_nothing_that_was_sent_names_them() -> None:
    found = [call for name, tree in trees() for call in calls(name, tree, LOADING)]
    assert {name for name, _ in found} == set(LOADERS)


@pytest.mark.promise("inj-3")
def test_programs_are_started_without_a_shell_in_five_places() -> None:
    found = [call for name, tree in trees() for call in calls(name, tree, STARTING)]
    assert {name for name, _ in found} == set(STARTERS)
    for name, call in found:
        assert not any(keyword.arg == "shell" for keyword in call.keywords), name
        assert not ast.unparse(call.func).endswith("shell"), name


@pytest.mark.promise("inj-3")
def test_no_server_reaches_the_loader_of_files() -> None:
    """`moat tool new` reads a function from a file; whatever answers requests does not know how."""
    module = functions.__name__
    importers = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and (node.module == module or _names(node, module)))
        or (isinstance(node, ast.Import) and any(alias.name == module for alias in node.names))
    }
    assert importers == {"cli/tool.py"}
    assert Path(str(functions.__file__)) == SOURCE / "prompts/functions.py"


def _names(node: ast.ImportFrom, module: str) -> bool:
    package, _, last = module.rpartition(".")
    return node.module == package and any(alias.name == last for alias in node.names)


@pytest.mark.promise("inj-3")
def test_no_route_of_the_management_api_takes_code() -> None:
    """By the names of what it takes, so that whoever adds a field that means code stops here."""
    code = re.compile(
        r"code|script|source|module|import|lambda|callable|plugin|command|exec|eval|pickle", re.IGNORECASE
    )
    fields = {
        f"{endpoint.path} {name}"
        for endpoint in ENDPOINTS
        for name in (*endpoint.query, *(endpoint.body.__struct_fields__ if endpoint.body else ()))
    }
    found = {field for field in fields if code.search(field.partition(" ")[2])}
    assert found == {"/api/v1/sign-in/oidc/callback code"}, "which is OAuth's word for a ticket"
    assert len(fields) > 40
