"""Keys of people and of programs."""

from tests.bootstrap.projects import PROMPT, Project


def test_a_key_names_the_person_it_is_for(project: Project) -> None:
    made = project.ok("keys", "create", "--role", "admin", "--user", "grace", "--json").json
    assert (made["user"], made["role"]) == ("grace", "admin")
    (listed,) = project.ok("keys", "list", "--json").json
    assert (listed["user"], listed["role"]) == ("grace", "admin")
    assert "grace" in project.ok("keys", "list").out


def test_a_viewer_looks_and_calls_nothing(project: Project) -> None:
    project.release("1.0.0")
    viewer = project.key("--role", "viewer")
    with project.serving() as server:
        assert server.get("/api/v1/releases", viewer)[0] == 200
        assert server.get(f"/api/v1/prompts/{PROMPT}?environment=staging", viewer)[0] == 200
        status, body = server.ask("Hello?", viewer, at="staging")
        assert (status, body["error"]["type"]) == (403, "permission_error")
        assert server.get("/v1/models", viewer)[0] == 403
        assert server.send("POST", "/v1/traces", {}, viewer, content_type="application/json")[0] == 403
        assert server.send("POST", "/api/v1/rollbacks", {}, viewer, content_type="application/json")[0] == 403


def test_the_calls_of_a_persons_key_are_that_persons(project: Project) -> None:
    project.release("1.0.0")
    key = project.key("--user", "grace")
    with project.serving() as server:
        assert server.ask("Hello?", key, at="staging", user="somebody else")[0] == 200
    (call,) = project.ok("traces", "--json").json
    assert call["user"] == "grace"
