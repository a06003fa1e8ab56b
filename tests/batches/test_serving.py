"""Batches of a real `moat serve`, killed and started again."""

import json
import signal

from openai import OpenAI
from openai.types import Batch

from tests.batches.world import ended, eventually, results
from tests.bootstrap.projects import PROMPT, Project, Server


def sdk(server: Server, key: str = "") -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=key or server.token, max_retries=0)


def counted(client: OpenAI, batch: Batch) -> int:
    """Lines with an answer."""
    counts = client.batches.retrieve(batch.id).request_counts
    return counts.completed if counts else 0


def test_a_killed_server_leaves_no_line_out_and_runs_none_twice_that_is_recorded(project: Project) -> None:
    (project.root / "moat.yaml").write_text(
        (project.root / "moat.yaml").read_text("utf-8") + "\nbatches: {concurrency: 2}\n", "utf-8"
    )
    release = project.release("1.0.0")
    body = {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "How long can I return things?"}}}
    lines = [{"custom_id": f"q{n}", "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(60)]
    data = "\n".join(json.dumps(each) for each in lines).encode()
    key = project.key("--name", "app", "--tenant", "acme")
    with project.serving() as server, sdk(server, key) as client:
        file = client.files.create(file=("q.jsonl", data), purpose="batch")
        made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        eventually(lambda: counted(client, made) >= 10)
        server.stop(signal.SIGKILL)
    folder = project.root / ".moat/files"
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    with project.serving() as server, sdk(server, key) as client:
        done = ended(client, made)
        assert done.status == "completed"
        found = results(client, done.output_file_id)
        assert len(found) == 60
        said = {each["response"]["request_id"] for each in found.values()}

        def recorded() -> "list[dict[str, object]] | None":
            rows = json.loads(project.ok("traces", "--json", "--limit", "500").out)
            return rows if len(said & {row["request_id"] for row in rows}) >= 58 else None

        rows = eventually(recorded)
        assert {row["release"] for row in rows} == {release}
        assert rows is not None
        assert len({row["request_id"] for row in rows}) <= 62
