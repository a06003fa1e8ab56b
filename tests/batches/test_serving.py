"""Batches of a real `moat serve`, killed and started again."""

import json
import signal

import msgspec
from openai import OpenAI
from openai.types import Batch

from tests.batches.anthropic_batch_peer import AnthropicBatchPeer
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


def test_a_server_that_is_killed_before_it_hears_of_its_batch_pays_for_no_second_one(project: Project) -> None:
    peer = AnthropicBatchPeer(keep_answer=True)
    project.environ["CLAUDE_KEY"] = "sk-ant-test"
    key = project.key("--name", "app", "--tenant", "acme")
    submitted = project.release("1.0.0")
    body = {"prompt": {"id": f"{PROMPT}@staging", "variables": {"question": "Can I return boots?"}}}
    lines = [{"custom_id": f"q{n}", "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(2)]
    with peer.running() as url:
        claude = f"  claude: {{kind: anthropic, base_url: {url}, api_key: '${{CLAUDE_KEY}}', batches: true}}\n"
        use = {"[simulated/support-large, simulated/support-small]": "[claude/claude-sonnet-4-5]"}
        project.replace("moat.yaml", {"\nproviders:\n": f"\nproviders:\n{claude}", **use})
        with project.serving() as server, sdk(server, key) as client:
            file = client.files.create(file=("q.jsonl", b"\n".join(map(msgspec.json.encode, lines))), purpose="batch")
            made = client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            eventually(lambda: peer.batches)
            server.stop(signal.SIGKILL)
        peer.keep_answer = False
        peer.run(next(iter(peer.batches)))
        assert project.release("1.1.0") != submitted
        with project.serving() as server, sdk(server, key) as client:
            done = ended(client, made)
            assert done.status == "completed"
            assert set(results(client, done.output_file_id)) == {"q0", "q1"}

            def recorded() -> "list[dict[str, object]] | None":
                rows = json.loads(project.ok("traces", "--json").out)
                return rows if len(rows) == 2 else None

            rows = eventually(recorded)
            assert rows is not None
            assert {row["release"] for row in rows} == {submitted}
            # 10 tokens at 0.60 and 5 at 2.40 dollars for a million, in picodollars, and half of it.
            assert {row["cost"] for row in rows} == {9_000_000}
    assert len(peer.batches) == 1
    assert peer.asked.count("POST /v1/messages/batches") == 1


def test_a_server_that_is_killed_in_the_middle_of_an_upload_leaves_nothing_of_it(project: Project) -> None:
    key = project.key("--name", "app", "--tenant", "acme")
    folder = project.root / ".moat/files"
    with project.serving() as server:
        connection = server.connection()
        connection.putrequest("POST", "/v1/files")
        for name, value in {
            "authorization": f"Bearer {key}",
            "content-type": "multipart/form-data; boundary=cut",
            "content-length": "50000000",
        }.items():
            connection.putheader(name, value)
        head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="q.jsonl"\r\n\r\n'
        connection.endheaders(head + b"x" * 1_000_000)
        eventually(lambda: [path for path in folder.iterdir() if path.stat().st_size > 0])
        server.stop(signal.SIGKILL)
        connection.close()
        assert len(list(folder.iterdir())) == 1
    with project.serving() as server, sdk(server, key) as client:
        assert list(client.files.list()) == []
        assert list(folder.iterdir()) == []
        kept = client.files.create(file=("q.jsonl", b"{}"), purpose="batch")
        assert [path.name for path in folder.iterdir()] == [kept.id]
