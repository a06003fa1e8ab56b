"""Evaluations: runs and their answers, comparisons, suites, datasets, judges, plans, and cases made of calls."""

from starlette.requests import Request
from starlette.responses import Response

from moat.api.asking import asked
from moat.api.endpoint import EXPERTS, VIEWERS, Endpoint, json_response
from moat.api.records import limit_of
from moat.api.services import Services
from moat.domain.errors import RequestError
from moat.domain.keys import Key
from moat.ports.eval_views import CasesWanted, ResultsWanted, RunComparison, RunDetail, RunResults
from moat.ports.evaluations import CaseProposed, DatasetInfo, JudgeStanding, NewCase, PlanWanted, PowerPlan, SuiteInfo
from moat.ports.runs import RunPage, RunsWanted

MAX_SLICES = 20
"""Paths that a run is split by at a time."""


def list_runs(request: Request, services: Services) -> RunPage:
    """Eval runs page by page, newest first."""
    return services.runs.page(asked(request, RunsWanted), limit_of(request))


def get_run(request: Request, services: Services) -> RunDetail:
    """A run: what its gates say, its scores with intervals and distributions, slices, time and money."""
    paths = tuple(filter(None, request.query_params.get("slices", "").split(",")))
    if len(paths) > MAX_SLICES:
        raise RequestError(f"are more than {MAX_SLICES}", where="slices")
    return services.evaluations.detail(request.path_params["id"], paths)


def list_results(request: Request, services: Services) -> RunResults:
    """Answers of a run, case by case, with what each scorer said of them."""
    return services.evaluations.results(request.path_params["id"], asked(request, ResultsWanted), limit_of(request))


def compare_runs(request: Request, services: Services) -> RunComparison:
    """Two runs case by case, what got worse first; without a baseline the one that a gate would take."""
    query = request.query_params
    if not query.get("run", ""):
        raise RequestError("is missing", where="run")
    wanted = asked(request, CasesWanted)
    return services.evaluations.compare(query["run"], query.get("baseline", ""), wanted, limit_of(request))


def list_suites(request: Request, services: Services) -> list[SuiteInfo]:
    """Suites of the project as their files are now, and the last run of each."""
    return services.evaluations.suites()


def list_datasets(request: Request, services: Services) -> list[DatasetInfo]:
    """Datasets of the project as their files are now, beside what is locked."""
    return services.evaluations.datasets()


def get_power(request: Request, services: Services) -> PowerPlan:
    """What a suite can see, and the cases, repeats and money that it takes to see a smaller difference."""
    return services.evaluations.plan(asked(request, PlanWanted))


def list_judges(request: Request, services: Services) -> list[JudgeStanding]:
    """Judges of all suites, and how far they agree with people."""
    return services.evaluations.judges()


def propose_case(request: Request, services: Services) -> Response:
    """Make a case of a recorded call: in the dataset, or beside it when that is locked."""
    key: Key = request.state.key
    made = services.evaluations.propose(request.path_params["name"], request.state.body, key.actor)
    return json_response(made, 201 if made.added else 200)


ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/runs", VIEWERS, list_runs, RunPage),
        query=(*RunsWanted.__struct_fields__, "limit"),
    ),
    Endpoint(
        *("GET", "/api/v1/runs/{id}/results", VIEWERS, list_results, RunResults),
        query=(*ResultsWanted.__struct_fields__, "limit"),
        room="evals",
    ),
    Endpoint("GET", "/api/v1/runs/{id}", VIEWERS, get_run, RunDetail, query=("slices",), room="evals"),
    Endpoint(
        *("GET", "/api/v1/comparisons", VIEWERS, compare_runs, RunComparison),
        query=("run", "baseline", *CasesWanted.__struct_fields__, "limit"),
        needs=("run",),
        room="evals",
    ),
    Endpoint("GET", "/api/v1/suites", VIEWERS, list_suites, list[SuiteInfo], room="evals"),
    Endpoint("GET", "/api/v1/datasets", VIEWERS, list_datasets, list[DatasetInfo], room="evals"),
    Endpoint(
        *("GET", "/api/v1/power", VIEWERS, get_power, PowerPlan),
        query=PlanWanted.__struct_fields__,
        needs=("suite",),
        room="evals",
    ),
    Endpoint("GET", "/api/v1/judges", VIEWERS, list_judges, list[JudgeStanding], room="evals"),
    Endpoint(
        *("POST", "/api/v1/datasets/{name:path}/cases", EXPERTS, propose_case, CaseProposed),
        body=NewCase,
        statuses=(201, 200),
        room="evals",
    ),
)
