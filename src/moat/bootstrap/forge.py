"""What a CI says of itself, and what is said in its pull requests: GitHub, GitLab, and a chat's webhook."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import quote

from moat.domain.errors import ConfigError, InputError, Unavailable

TIMEOUT = 30.0
PAGE = 100
MAX_PAGES = 30
"""More comments than these are not looked through; then another one is made."""
MARKER = "<!-- moat gate: "
WORKFLOW = "github-actions[bot]"
"""Who comments with the token of a workflow of GitHub."""


class Thread(NamedTuple):
    """The comments of one pull request."""

    comments: str
    """URL that lists them and takes new ones."""
    one: str
    """URL of one, before its id."""
    headers: Mapping[str, str]
    update: str
    """Method that changes one."""
    viewer: str
    """URL that says whose token it is."""


def thread_of(environ: Mapping[str, str]) -> Thread:
    """The pull request that a CI job is about. Raises `ConfigError` for what is missing."""
    if environ.get("GITLAB_CI"):
        base = f"{_need(environ, 'CI_API_V4_URL')}/projects/{quote(_need(environ, 'CI_PROJECT_ID'), safe='')}"
        notes = f"{base}/merge_requests/{_number(environ, 'CI_MERGE_REQUEST_IID')}/notes"
        token = {"private-token": _need(environ, "GITLAB_TOKEN")}
        return Thread(notes, notes, token, "PUT", f"{_need(environ, 'CI_API_V4_URL')}/user")
    api = environ.get("GITHUB_API_URL") or "https://api.github.com"
    issues = f"{api}/repos/{quote(_need(environ, 'GITHUB_REPOSITORY'))}/issues"
    headers = {
        "authorization": f"Bearer {_need(environ, 'GITHUB_TOKEN')}",
        "accept": "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
    }
    number = _number(environ, "PULL_REQUEST")
    graphql = environ.get("GITHUB_GRAPHQL_URL") or f"{api}/graphql"
    return Thread(f"{issues}/{number}/comments", f"{issues}/comments", headers, "PATCH", graphql)


def comment(thread: Thread, text: str) -> bool:
    """Say it in the pull request, in place of what an earlier run said; True when there was such a comment.

    Comments are told apart by their first line, which `moat.evals.gating.comment.marker` makes, and by who wrote them:
    anybody can write that line, and could edit what stands under it. Raises `InputError`
    for a text without one, `Unavailable` when the forge refuses.
    """
    first = text.partition("\n")[0]
    if not first.startswith(MARKER):
        raise InputError("is no report of a gate", remedy="Give the report.md that `moat gate --out` writes.")
    same = [each for each in _comments(thread) if str(each.get("body", "")).startswith(first)]
    me = _viewer(thread) if same else ""
    mine = next((each for each in same if _author(each) == me), None)
    if mine is None:
        _send("POST", thread.comments, {"body": text}, thread.headers)
        return False
    _send(thread.update, f"{thread.one}/{mine['id']}", {"body": text}, thread.headers)
    return True


def notify(url: str, text: str) -> None:
    """Tell a chat by a webhook as Slack and those that follow it take it. Raises `ConfigError`, `Unavailable`."""
    if not url.startswith(("https://", "http://")):
        raise ConfigError("the webhook is no address", where="SLACK_WEBHOOK_URL")
    _send("POST", url, {"text": text}, {}, shown="the webhook")


def _viewer(thread: Thread) -> str:
    """The login of the token's user. GitHub's REST says it of people alone, its GraphQL of apps too; where the token
    may not ask, it is taken for the one that a workflow has.
    """
    github = thread.update == "PATCH"
    query = {"query": "query { viewer { login } }"} if github else None
    try:
        found = _send("POST" if github else "GET", thread.viewer, query, thread.headers)
    except Unavailable:
        if github:
            return WORKFLOW
        raise
    for key in ("data", "viewer") if github else ():
        found = found.get(key) if isinstance(found, dict) else None
    login = found.get("login" if github else "username") if isinstance(found, dict) else None
    return login if isinstance(login, str) and login else WORKFLOW


def _author(comment: Mapping[str, Any]) -> str:
    """The login of who wrote a comment; empty when it is gone."""
    user = comment.get("user") or comment.get("author")
    return str(user.get("login") or user.get("username") or "") if isinstance(user, dict) else ""


def _comments(thread: Thread) -> Iterator[dict[str, Any]]:
    for page in range(1, MAX_PAGES + 1):
        found = _send("GET", f"{thread.comments}?per_page={PAGE}&page={page}", None, thread.headers)
        listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        yield from listed
        if len(listed) < PAGE:
            return


def _send(method: str, url: str, body: Any, headers: Mapping[str, str], *, shown: str = "") -> Any:
    """The JSON that comes back. `shown` stands for an address that is itself a secret."""
    data = None if body is None else json.dumps(body).encode()
    named = {**headers, "content-type": "application/json", "user-agent": "moat"}
    request = urllib.request.Request(url, data=data, headers=named, method=method)
    where = shown or url.partition("?")[0]
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            said = response.read()
    except urllib.error.HTTPError as error:
        with error:
            remedy = "Check the token and what it may do: `pull-requests: write` at GitHub, the scope `api` at GitLab."
            raise Unavailable(f"HTTP {error.code}", where=where, remedy="" if shown else remedy) from None
    except (OSError, HTTPException) as error:
        raise Unavailable(f"no answer: {getattr(error, 'reason', None) or error}", where=where) from None
    try:
        return json.loads(said)
    except ValueError:
        return None


def _need(environ: Mapping[str, str], name: str) -> str:
    found = environ.get(name)
    if not found:
        remedy = "`moat ci` writes workflows that set it; see docs/gate.md."
        raise ConfigError(f"the environment variable {name} is not set", remedy=remedy)
    return found


def _number(environ: Mapping[str, str], name: str) -> str:
    found = _need(environ, name)
    if not found.isdecimal():
        raise ConfigError(f"{found!r} is no number of a pull request", where=name)
    return found
