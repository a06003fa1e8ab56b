"""Where forges show a branch beside another and make a pull request of it; known from the remote's address alone."""

import re
from urllib.parse import quote, urlencode, urlsplit

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:]+):(?!//)(?P<path>[^\\].*)")
"""`git@github.com:team/project.git`."""


def compare_url(remote: str, base: str, branch: str) -> str:
    """The page of GitHub, GitLab, Gitea (Forgejo, Codeberg) or Bitbucket that compares a branch with its base; empty
    when the remote's host is none of them. Credentials in the remote's address are left out.
    """
    found = _parsed(remote)
    if found is None:
        return ""
    origin, host, path = found
    page, target, source = f"{origin}/{quote(path)}", quote(base), quote(branch)
    if "gitlab" in host:
        asked = {"merge_request[source_branch]": branch, "merge_request[target_branch]": base}
        return f"{page}/-/merge_requests/new?{urlencode(asked)}"
    if "bitbucket" in host:
        return f"{page}/pull-requests/new?{urlencode({'source': branch, 'dest': base})}"
    if "github" in host:
        return f"{page}/compare/{target}...{source}?expand=1"
    if any(name in host for name in ("gitea", "forgejo", "codeberg")):
        return f"{page}/compare/{target}...{source}"
    return ""


def _parsed(remote: str) -> tuple[str, str, str] | None:
    """Origin of its pages, host, and the project's path."""
    match = _SCP.fullmatch(remote)
    if match is not None:
        origin, host, path = f"https://{match['host'].lower()}", match["host"].lower(), match["path"]
    else:
        try:
            parts = urlsplit(remote)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return None
        if parts.scheme not in ("https", "http", "ssh", "git") or not host:
            return None
        is_page = parts.scheme in ("https", "http")
        origin = f"{parts.scheme}://{host}" + (f":{port}" if port else "") if is_page else f"https://{host}"
        path = parts.path
    path = path.strip("/").removesuffix(".git")
    return (origin, host, path) if path else None
