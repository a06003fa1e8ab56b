"""Similarity of meaning: by letters, by a model that is asked, by a model in a directory."""

import asyncio
import json
import math

import msgspec
import numpy as np
import pytest
from scipy import special

from moat.caching.lexical import LexicalEmbedder
from moat.domain.calls import Attempt, Delta, Deployment, Finished
from moat.domain.errors import ConfigError, ProviderDown
from moat.domain.scores import Case
from moat.evals.embeddings.encoder import erf
from moat.evals.embeddings.local import digest_of, load_model
from moat.evals.embeddings.weights import read_weights
from moat.evals.embeddings.wordpiece import WordPiece, read_wordpiece
from moat.evals.scorers import Answered, Bench
from moat.evals.scorers.semantic import cosine, matched, rarity_of
from moat.ports.embedder import Embedding
from tests.evals.scorers.worlds import made, score, unreachable

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "sat", "##s", "un", "##know", ".", "é", "東"]


def safetensors(tensors, path, dtype="F32"):
    header, body = {}, b""
    for name, tensor in tensors.items():
        kind, data = dtype, np.asarray(tensor, np.float32)
        raw = {
            "F32": lambda data=data: data.tobytes(),
            "F16": lambda data=data: data.astype(np.float16).tobytes(),
            "BF16": lambda data=data: (data.view(np.uint32) >> 16).astype(np.uint16).tobytes(),
            "BOOL": lambda data=data: data.astype(np.bool_).tobytes(),
        }[kind]()
        header[name] = {"dtype": kind, "shape": list(data.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    head = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + body)


def tokenizer(path, words=WORDS, **normalizer):
    vocabulary = {word: number for number, word in enumerate(words)}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "vocab": vocabulary}
    path.write_text(json.dumps({"normalizer": {"type": "BertNormalizer", **normalizer}, "model": model}))


def static_model(folder, table=None, **more):
    """A model as model2vec keeps them."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    tokenizer(folder / "tokenizer.json")
    table = np.eye(len(WORDS)) if table is None else table
    safetensors({"embeddings": table, **more}, folder / "model.safetensors")
    return folder


def encoder(folder, layers=2, width=8, heads=2, prefix="", dtype="F32"):
    """A BERT of random weights, and the weights."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), width),
        "embeddings.position_embeddings.weight": (16, width),
        "embeddings.token_type_embeddings.weight": (2, width),
    }
    for name in ["embeddings.LayerNorm"]:
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{at}.{part}.weight": (width, width), f"{at}.{part}.bias": (width,)}
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{at}.{part}.weight": (width,), f"{at}.{part}.bias": (width,)}
        shapes |= {f"{at}.intermediate.dense.weight": (16, width), f"{at}.intermediate.dense.bias": (16,)}
        shapes |= {f"{at}.output.dense.weight": (width, 16), f"{at}.output.dense.bias": (width,)}
    weights = {prefix + name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    config = {"model_type": "bert", "num_hidden_layers": layers, "num_attention_heads": heads}
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 16}))
    tokenizer(folder / "tokenizer.json")
    safetensors(weights, folder / "model.safetensors", dtype)
    return folder, {name.removeprefix(prefix): np.asarray(value, np.float64) for name, value in weights.items()}


def by_the_book(weights, ids, layers=2, heads=2):
    """The same forward pass, number by number, in plain Python."""

    def linear(vector, name):
        return weights[f"{name}.weight"] @ vector + weights[f"{name}.bias"]

    def normed(vector, name):
        spread = math.sqrt(sum((x - vector.mean()) ** 2 for x in vector) / len(vector) + 1e-12)
        return (vector - vector.mean()) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    states = [
        normed(
            weights["embeddings.word_embeddings.weight"][id]
            + weights["embeddings.position_embeddings.weight"][place]
            + weights["embeddings.token_type_embeddings.weight"][0],
            "embeddings.LayerNorm",
        )
        for place, id in enumerate(ids)
    ]
    size = len(states[0]) // heads
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        query, key, value = (
            [linear(s, f"{at}.attention.self.{part}") for s in states] for part in ("query", "key", "value")
        )
        following = []
        for place, state in enumerate(states):
            mixed = []
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                scores = [math.exp(query[place][part] @ other[part] / math.sqrt(size)) for other in key]
                mixed.append(sum(s / sum(scores) * v[part] for s, v in zip(scores, value, strict=True)))
            attended = linear(np.concatenate(mixed), f"{at}.attention.output.dense")
            state = normed(state + attended, f"{at}.attention.output.LayerNorm")
            inner = np.array(
                [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in linear(state, f"{at}.intermediate.dense")]
            )
            following.append(normed(state + linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm"))
        states = following
    return np.array(states)


def test_the_error_function_is_that_of_scipy():
    numbers = np.linspace(-8, 8, 100_001).astype(np.float32)
    assert erf(numbers).dtype == np.float32
    assert np.abs(erf(numbers) - special.erf(numbers)).max() < 1e-6


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_an_encoder_does_what_the_paper_says(tmp_path, prefix):
    folder, weights = encoder(tmp_path / "model", prefix=prefix)
    model = load_model(folder, digest_of(folder))
    states = by_the_book(weights, [WORDS.index(word) for word in ("[CLS]", "a", "cat", "##s", "[SEP]")])
    mean = states.mean(axis=0)
    assert model.vector("A cats") == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    pieces, vectors = model.pieces("A cats")
    assert pieces == ["a", "cat", "##s"]
    assert vectors == pytest.approx(states[1:-1] / np.linalg.norm(states[1:-1], axis=1, keepdims=True), abs=1e-5)


def test_an_encoder_may_be_read_by_its_first_piece_and_cuts_long_texts(tmp_path):
    folder, weights = encoder(tmp_path / "model")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    model = load_model(folder, digest_of(folder))
    first = by_the_book(weights, [2, 4, 3])[0]
    assert model.vector("a") == pytest.approx(first / np.linalg.norm(first), abs=1e-5)
    assert len(model.pieces("cat " * 100).pieces) == 14
    assert np.isfinite(model.vector("")).all()


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_smaller_numbers_are_read(tmp_path, dtype):
    safetensors({"x": [[1.5, -2.0], [0.25, 1024.0]]}, tmp_path / "x", dtype)
    assert read_weights(tmp_path / "x")["x"].tolist() == [[1.5, -2.0], [0.25, 1024.0]]


def test_static_embeddings_are_averaged(tmp_path):
    table = np.zeros((len(WORDS), 2))
    table[WORDS.index("cat")], table[WORDS.index("dog")] = (1, 0), (0, 1)
    folder = static_model(tmp_path / "plain", table)
    model = load_model(folder, digest_of(folder))
    assert model.vector("cat dog nowhere") == pytest.approx([0.5**0.5, 0.5**0.5])
    assert model.vector("nowhere").tolist() == [0, 0]
    weights = np.ones(len(WORDS))
    weights[WORDS.index("dog")] = 0
    folder = static_model(tmp_path / "mapped", table[::-1].copy(), weights=weights, mapping=np.arange(len(WORDS))[::-1])
    assert load_model(folder, digest_of(folder)).vector("cat dog").tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("A Cat sat.", ["a", "cat", "sat", "."]),
        ("cats unknow", ["cat", "##s", "un", "##know"]),
        ("unknown", ["[UNK]"]),
        ("a東é\u200b\0", ["a", "東", "[UNK]"]),
        ("x" * 200, ["[UNK]"]),
        ("", []),
    ],
)
def test_words_are_cut_into_known_pieces(tmp_path, text, pieces):
    tokenizer(tmp_path / "t.json", lowercase=True)
    assert read_wordpiece(tmp_path / "t.json").pieces(text, 10) == pieces


def test_case_and_accents_stay_where_the_model_wants_them(tmp_path):
    tokenizer(tmp_path / "t.json", lowercase=False)
    assert read_wordpiece(tmp_path / "t.json").pieces("Cat é", 10) == ["[UNK]", "é"]
    assert WordPiece({"[UNK]": 0, "e": 1}).pieces("É " * 9, 3) == ["e"] * 3


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("tokenizer.json", b"{}", "no tokenizer can be read"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {}}}', "of type BPE"),
        ("tokenizer.json", b'{"model": {"type": "WordPiece", "vocab": {}}}', r"has no '\[UNK\]'"),
        ("model.safetensors", b"abc", "is no safetensors file"),
        ("model.safetensors", b"\xff" * 20, "is no safetensors file"),
        ("model.safetensors", (2).to_bytes(8, "little") + b"{}", "not a whole BERT encoder"),
        ("model.safetensors", (2).to_bytes(8, "little") + b"{x", "is no safetensors file that can be used"),
        ("config.json", b"[", "cannot be read"),
        ("config.json", None, "no model: there is no config.json"),
        ("tokenizer.json", None, "no model: there is no tokenizer.json"),
    ],
)
def test_a_model_that_is_not_whole_is_told(tmp_path, file, content, problem):
    folder, _ = encoder(tmp_path / "model")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        load_model(folder, digest_of(folder))


def test_tensors_of_another_type_or_size_are_refused(tmp_path):
    safetensors({"x": [1.0]}, tmp_path / "bool", "BOOL")
    with pytest.raises(ConfigError, match="type BOOL"):
        read_weights(tmp_path / "bool")
    safetensors({"x": [1.0]}, tmp_path / "short")
    (tmp_path / "short").write_bytes((tmp_path / "short").read_bytes()[:-2])
    with pytest.raises(ConfigError, match=r"cannot be used|can be used"):
        read_weights(tmp_path / "short")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_weights(tmp_path / "none")


class Project:
    """A project in a folder, as scorers see it."""

    def __init__(self, root):
        self.root = root

    def prompt(self, name, version):
        raise AssertionError("not asked for")

    def deployments(self, alias):
        return ("fake/" + alias,)


def pinned(root, options):
    return made(options).pin(Project(root))


def scored(bound, answer, **case):
    return asyncio.run(bound.score(Case(id="a", **case), Answered(answer)))


def test_without_a_model_letters_are_compared_and_it_says_so():
    got = score({"kind": "similarity"}, "the cat sat", expected=["a dog", "the cat sits"])
    assert 0.5 < got.value < 1
    assert "by letters" in got.reason
    assert got.evidence["embedder"] == "lexical"
    assert score({"kind": "similarity"}, "same", expected="same").value == pytest.approx(1)
    assert score({"kind": "similarity"}, "", expected="same").value == 0
    assert score({"kind": "similarity", "least": 0.85}, "the cat", expected="the cat").value == 1
    low = score({"kind": "similarity", "least": 0.85}, "xyz", expected="the cat")
    assert low.value == 0
    assert low.reason.startswith("similarity 0.")
    assert score({"kind": "similarity"}, "x").status == "not_run"


def test_a_local_model_makes_vectors(tmp_path):
    static_model(tmp_path / "models" / "tiny")
    pin = pinned(tmp_path, {"kind": "similarity", "directory": "models/tiny"})
    got = scored(pin.bind(Bench(ask=unreachable)), "cat dog", expected="cat")
    assert got.value == pytest.approx(0.5**0.5)
    assert (got.evidence["embedder"], got.reason) == ("tiny", "")
    assert pin.identity["embedder"] == digest_of(tmp_path / "models" / "tiny")
    absolute = made({"kind": "similarity", "directory": str(tmp_path / "models" / "tiny")})
    assert scored(absolute.bind(Bench(ask=unreachable)), "cat", expected="cat").value == pytest.approx(1)
    with pytest.raises(ConfigError, match="Nothing is downloaded"):
        pinned(tmp_path, {"kind": "similarity", "directory": "models/none"})


def embeddings(vectors, asked, cost=5):
    async def ask(call):
        asked.append(call)
        call.journal.attempts.append(Attempt(span_id="s", deployment=Deployment("fake", "m"), started_ns=0, cost=cost))
        vector = vectors[call.params["input"]]
        if isinstance(vector, Exception):
            raise vector
        yield Delta(raw=msgspec.json.encode({"data": [{"embedding": vector}], "model": "m"}))
        yield Finished(reason="stop")

    return ask


def test_a_model_of_the_project_is_asked_through_the_pipeline_and_paid():
    asked = []
    ask = embeddings({"yes": [3.0, 4.0], "ja": [4.0, 3.0], "nein": [0.0, -1.0]}, asked)
    got = score({"kind": "similarity", "model": "embed"}, "yes", bench=Bench(ask=ask), expected=["nein", "ja"])
    assert got.value == pytest.approx(24 / 25)
    assert got.cost == 15
    assert {(call.model, call.operation) for call in asked} == {("embed", "embeddings")}
    scorer = pinned(None, {"kind": "similarity", "model": "embed"})
    assert (scorer.models, scorer.identity["embedder"]) == (("embed",), ["fake/embed"])


def test_a_model_that_does_not_answer_is_the_score_s_error_and_what_it_cost_is_kept():
    ask = embeddings({"yes": [1.0], "ja": ProviderDown("away")}, [])
    got = score({"kind": "similarity", "model": "embed"}, "yes", bench=Bench(ask=ask), expected="ja")
    assert (got.status, got.value, got.reason, got.cost) == ("error", None, "away", 10)


def test_an_embedder_at_hand_is_used_when_the_suite_names_none():
    bench = Bench(ask=unreachable, embedder=LexicalEmbedder())
    assert score({"kind": "similarity"}, "a", bench=bench, expected="a").evidence["embedder"] == "lexical"
    unbound = made({"kind": "similarity"})
    assert "not bound" in asyncio.run(unbound.score(Case(id="a", expected="x"), Answered("x"))).reason


def test_vectors_of_different_spaces_do_not_compare():
    with pytest.raises(ValueError, match="cannot be compared"):
        cosine(Embedding("a", [1.0]), Embedding("b", [1.0]))


def test_bertscore_matches_pieces_greedily(tmp_path):
    folder = static_model(tmp_path / "tiny")
    bound = pinned(tmp_path, {"kind": "bertscore", "directory": "tiny"}).bind(Bench(ask=unreachable))
    got = scored(bound, "a cat", expected=["dog", "a cat sat ."])
    assert got.evidence == pytest.approx({"precision": 1.0, "recall": 0.5, "f1": 2 / 3})
    assert got.value == pytest.approx(2 / 3)
    for measured, value in (("precision", 1), ("recall", 0.5)):
        options = {"kind": "bertscore", "directory": "tiny", "measured": measured}
        bound = pinned(tmp_path, options).bind(Bench(ask=unreachable))
        assert scored(bound, "a cat", expected="a cat sat .").value == pytest.approx(value)
    assert scored(bound, "", expected="a").value == 0
    assert scored(bound, "", expected="").value == 1
    model = load_model(folder, digest_of(folder))
    assert matched(model.pieces("a"), model.pieces("cat"))["f1"] == 0


def test_rare_pieces_count_more_where_a_corpus_says_so(tmp_path):
    static_model(tmp_path / "tiny")
    (tmp_path / "corpus.txt").write_text("a cat\na dog\na .\n")
    options = {"kind": "bertscore", "directory": "tiny", "measured": "recall", "corpus": "corpus.txt"}
    bound = pinned(tmp_path, options).bind(Bench(ask=unreachable))
    # by hand: "a" is in all three (log 4/4 = 0), "cat" in one (log 4/2), "sat" in none (log 4)
    assert scored(bound, "a cat", expected="a cat sat").value == pytest.approx(
        math.log(2) / (math.log(2) + math.log(4))
    )
    assert rarity_of([["a", "a"], ["a", "b"]]) == pytest.approx({"": math.log(3), "a": 0, "b": math.log(3 / 2)})
    before = pinned(tmp_path, options).identity
    (tmp_path / "corpus.txt").write_text("a cat\n")
    assert pinned(tmp_path, options).identity != before


@pytest.mark.parametrize(
    ("corpus", "problem"), [("none.txt", "cannot be read"), ("../x.txt", "outside"), ("empty.txt", "is empty")]
)
def test_a_corpus_that_cannot_be_used_is_told(tmp_path, corpus, problem):
    static_model(tmp_path / "tiny")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ConfigError, match=problem):
        pinned(tmp_path, {"kind": "bertscore", "directory": "tiny", "corpus": corpus})


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "bertscore"},
        {"kind": "similarity", "model": "a", "directory": "b"},
        {"kind": "similarity", "least": 0},
        {"kind": "similarity", "least": 1.5},
    ],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        made(options)
