"""A plain text prompt goes the whole way, by the model that its suite or its caller names."""

import json

from openai import OpenAI

from tests.bootstrap.projects import Project

CASES = [
    {"id": f"case-{i}", "variables": {"text": f"Can I send parcel {i} back for a refund?"}, "expected": "x"}
    for i in range(12)
]


def test_a_text_file_is_evaluated_gated_released_and_served(project: Project) -> None:
    folder = project.root / "prompts" / "summarization"
    folder.mkdir()
    (folder / "v1.0.0.txt").write_text("Summarise in one sentence:\n\n{{ text }}\n", "utf-8")
    (folder / "v1.1.0.txt").write_text("Summarise in one short sentence:\n\n{{ text }}\n", "utf-8")
    (project.root / "evals" / "datasets" / "parcels.jsonl").write_text("\n".join(map(json.dumps, CASES)), "utf-8")
    (project.root / "evals" / "summary.yaml").write_text(
        "prompt: summarization\nmodel: assistant\ndataset: datasets/parcels.jsonl\n"
        "scorers: [{kind: length, min: 1, max: 2000, unit: characters}]\n"
        "gates: [{score: length, margin: 0.3, min: 0.5}]\n",
        "utf-8",
    )
    project.replace("moat.yaml", {"require: [support]": "require: [support, summary]"})

    project.ok("lint")
    project.ok("gate", "summarization@1.1.0", "--baseline", "1.0.0")
    project.ok("gate", "summarization@1.1.0")
    made = project.ok("release", "create", "summarization@1.1.0", "--to", "production", "--json").json
    assert made["release"]["evidence"][0]["verdict"] == "pass"

    with project.serving() as server:
        client = OpenAI(base_url=f"{server.url}/v1", api_key=project.key(), max_retries=0)
        prompt = {"id": "summarization@production", "variables": {"text": "A long story."}}
        answer = client.chat.completions.with_raw_response.create(
            model="assistant", messages=[], extra_body={"prompt": prompt}
        )
        assert answer.headers["x-moat-prompt"] == "summarization@1.1.0"
        assert answer.parse().choices[0].message.content
