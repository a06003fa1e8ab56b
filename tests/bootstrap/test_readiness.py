"""A real server whose disk refuses: no traffic should come, and it recovers by itself."""

import pytest

from tests.bootstrap.projects import Project, eventually


@pytest.mark.promise("keep-2")
def test_a_server_that_can_record_nothing_is_not_ready_until_it_can(project: Project) -> None:
    project.release("1.0.0")
    key = project.key("--name", "app")
    spool, away = project.root / ".moat/spool", project.root / ".moat/away"
    with project.serving() as server:
        assert server.ask("How long?", key, at="staging")[0] == 200
        spool.rename(away)

        def refused() -> bool:  # the segment that is open is still written to
            return server.ask("How long?", key, at="staging")[0] == 503

        eventually(refused)
        assert server.get("/readyz") == (503, {"status": "refusing", "problems": 1})
        assert server.get("/healthz")[0] == 200
        away.rename(spool)
        eventually(lambda: server.get("/readyz") == (200, {"status": "ready", "problems": 0}))
        assert server.ask("How long?", key, at="staging")[0] == 200
    assert "calls are refused: " in project.log()
    assert "can be recorded" in project.log()
