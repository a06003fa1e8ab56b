"""Recorded calls asked again: through the real server, within the person's own budget."""

from tests.bootstrap.projects import PROMPT, Project, Server, eventually

JSON = "application/json"


def recorded(server: Server, question: str) -> str:
    """One call of the prompt in production, once it can be found."""
    assert server.ask(question, at="staging")[0] == 200

    def found() -> str:
        calls = server.get("/api/v1/calls?limit=1&feature=")[1]["calls"]
        return str(calls[0]["request_id"]) if calls else ""

    return str(eventually(found))


def test_a_call_is_asked_again_of_something_else(project: Project) -> None:
    release = project.release("1.0.0")
    person = project.key("--role", "expert", "--user", "ada@example.org")
    with project.serving() as server:
        id = recorded(server, "Where is my parcel?")
        again = server.send("POST", "/api/v1/replays", {"request_id": id}, person, content_type=JSON)
        assert again[0] == 200, again
        first, answer = again[1]["first"], again[1]["answer"]
        assert first["text"]
        assert (answer["text"], answer["error"]) == (first["text"], "")
        assert answer["input_tokens"] == first["input_tokens"] == again[1]["usage"]["input"]
        for wish, target in (
            ({"version": "1.1.0"}, f"{PROMPT}@1.1.0"),
            ({"release": release}, f"{PROMPT}@1.0.0"),
            ({"model": "assistant"}, "assistant"),
        ):
            status, made = server.send("POST", "/api/v1/replays", {"request_id": id, **wish}, person, content_type=JSON)
            assert (status, made.get("target")) == (200, target), made

        def own() -> list[dict[str, object]]:
            rows = server.get("/api/v1/calls?feature=playground")[1]["calls"]
            return rows if len(rows) == 4 else []

        rows = eventually(own)
        assert {row["user"] for row in rows} == {"ada@example.org"}
        assert again[1]["trace_id"] in {row["trace_id"] for row in rows}
        assert [row["request_id"] for row in server.get("/api/v1/calls?environment=staging")[1]["calls"]] == [id]


def test_what_cannot_be_asked_again_says_why(project: Project) -> None:
    project.release("1.0.0")
    with project.serving() as server:
        id = recorded(server, "Where is my parcel?")
        viewer = project.key("--role", "viewer")
        assert server.send("POST", "/api/v1/replays", {"request_id": id}, viewer, content_type=JSON)[0] == 403
        for body, status, part in (
            ({"request_id": "req_none"}, 404, "req_none"),
            ({"request_id": id, "model": "a", "version": "1.0.0"}, 400, "one of"),
            ({"request_id": id, "version": "9.9.9"}, 404, "9.9.9"),
            ({"request_id": id, "release": "rel_none"}, 404, "rel_none"),
            ({"request_id": id, "model": "nobody"}, 404, "nobody"),
        ):
            answered, error = server.send("POST", "/api/v1/replays", body, content_type=JSON)
            assert (answered, part in error["error"]["message"]) == (status, True), error
