"""Near-duplicates and leaks are found, all of them; coverage counts what there is."""

import random
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moat.domain.releases import MessageTemplate, PromptVersion, Variable
from moat.domain.scores import Case, SimulatedUser
from moat.evals.datasets import similarity
from moat.evals.datasets.coverage import coverage, points, script
from moat.evals.datasets.fitting import fitting
from moat.evals.datasets.fitting import given as given_to
from moat.evals.datasets.similarity import leaks, near_duplicates, split_clusters, words

QUESTION = "I bought a fleece two weeks ago and it just is not me, how long do I have to send it back?"


def asked(id, question, **more):
    return Case(id=id, variables={"question": question}, **more)


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=8), max_size=12),
    st.sampled_from([0.5, 0.7, 0.8, 1]),
)
def test_exactly_the_pairs_above_the_threshold_are_found(texts, threshold):
    cases = [asked(f"c{i}", " ".join(text)) for i, text in enumerate(texts)]
    sets = [{*text, *pairwise(text)} for text in texts]
    same = len({tuple(text) for text in texts}) == 1
    wanted = {
        (f"c{i}", f"c{j}")
        for i, j in combinations(range(len(texts)), 2)
        if sets[i] | sets[j] and len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= threshold
    }
    found = {(pair.first, pair.second) for pair in near_duplicates(cases, threshold)}
    assert found == wanted or same


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (QUESTION, 1.0),
        (QUESTION.upper().replace(",", "  !"), 1.0),
        (QUESTION.replace("fleece", "jacket"), 0.86),
        (QUESTION.replace("two weeks ago", "last year in Berlin"), 0.0),
        ("Where is my parcel?", 0.0),
    ],
)
def test_a_pair_is_as_similar_as_its_words(other, alike):
    pairs = near_duplicates([asked("a", QUESTION), asked("b", other), asked("c", "Do you ship to Norway?")])
    assert [round(pair.similarity, 2) for pair in pairs] == ([alike] if alike else [])


def test_words_are_found_in_other_scripts_too():
    assert len(words(asked("a", "退货期限是多久"))) == 7
    pairs = near_duplicates(
        [asked("a", "我两周前买了一件外套想退货期限是多久"), asked("b", "我三周前买了一件外套想退货期限是多久")], 0.7
    )
    assert len(pairs) == 1


def test_what_is_the_same_everywhere_does_not_make_cases_alike():
    policy = "A long policy about everything that is the same in all of the cases, word by word. " * 5
    cases = [
        Case(id="a", variables={"policy": policy, "q": "Can I return it?"}),
        Case(id="b", variables={"policy": policy, "q": "Where is my parcel?"}),
    ]
    assert near_duplicates(cases) == []


def test_cases_that_say_they_belong_together_are_not_reported_unless_splits_part_them():
    one, other = asked("a", QUESTION, cluster="t"), asked("b", QUESTION, cluster="t")
    assert near_duplicates([one, other, asked("c", "x")]) == []
    parted = [asked("a", QUESTION, cluster="t", split="dev"), asked("b", QUESTION, cluster="t", split="held-out")]
    (pair,) = near_duplicates([*parted, asked("c", "x")])
    assert (pair.leaks, pair.splits) == (True, ("dev", "held-out"))
    assert split_clusters(parted) == {"t": ["dev", "held-out"]}


def test_too_many_pairs_end_the_search(monkeypatch):
    monkeypatch.setattr(similarity, "MAX_PAIRS", 10)
    found = near_duplicates([asked(f"c{i}", f"{QUESTION} {i}") for i in range(50)])
    assert 10 <= len(found) < 100


def test_a_prompt_that_contains_a_case_is_found_out():
    examples = f"Answer like this.\nQ: {QUESTION}\nA: 30 days."
    prompt = PromptVersion(
        name="p",
        version="1.0.0",
        model="m",
        messages=(MessageTemplate("system", "Be kind."), MessageTemplate("system", examples)),
    )
    cases = [asked("leaked", QUESTION), asked("new", "Do you sell gift cards for children's shoes?"), asked("hi", "Hi")]
    (leak,) = leaks(cases, prompt)
    assert (leak.case, leak.where, leak.share) == ("leaked", "message 2", 1.0)
    partial = replace(prompt, messages=(), partials={"examples": examples})
    assert [leak.where for leak in leaks(cases, partial)] == ["partial examples"]
    assert leaks(cases, PromptVersion(name="p", version="1.0.0", model="m", messages=())) == []


def test_few_of_many_pairs_are_looked_at(monkeypatch):
    chance = random.Random(7)
    vocabulary = [f"w{int(chance.paretovariate(0.7)) % 20_000}" for _ in range(20_000)]
    texts = [" ".join(chance.choices(vocabulary, k=chance.randint(8, 60))) for _ in range(2_900)]
    copies = [f"{text} {text.split()[0]}" for text in texts[:100]]
    compared = []
    measure = similarity._jaccard
    monkeypatch.setattr(similarity, "_jaccard", lambda *sets: compared.append(1) or measure(*sets))
    found = near_duplicates([asked(str(i), text) for i, text in enumerate(texts + copies)])
    assert len(found) >= 60
    assert len(compared) < 3_000 * 2_999 / 2 / 50


def test_coverage_counts_what_there_is_and_what_is_thin():
    cases = [
        asked("a", "Hello there", labels={"intent": "returns", "facts": ["x"]}, tags=["t"], expected="y", golden=True),
        asked("b", "Привет, как дела?", labels={"intent": ["returns", "other"]}, split="dev", source="trace:1"),
        Case(id="c", variables={"question": "", "n": 3}, turns=["more"], cluster="k"),
        Case(id="d", variables={"question": "x"}, user=SimulatedUser(goal="g"), cluster="k"),
    ]
    found = coverage(cases)
    counts = {part.name: part.cases for part in found.slices}
    assert (found.cases, found.clusters, found.expected, found.golden, found.conversations) == (4, 3, 1, 1, 2)
    assert counts == {
        "tags=t": 1, "labels.intent=returns": 2, "labels.intent=other": 1, "labels.facts=x": 1, "split=dev": 1,
        "source=trace": 1, "script=latin": 3, "script=cyrillic": 1,
    }  # fmt: skip
    assert {use.name: (use.cases, use.values) for use in found.variables} == {"question": (4, 4), "n": (1, 1)}
    assert "3 independent pieces can show changes of the pass rate from 81 points on" in found.gaps[0]
    assert "the variable 'n' never varies (in 1 cases the same)" in found.gaps
    assert "labels.intent=other: 1 of 4 cases" in found.gaps


def test_labels_that_are_texts_are_not_counted_as_classes():
    found = coverage([asked(str(i), "x", labels={"facts": f"fact {i}"}) for i in range(40)])
    assert {part.name.partition("=")[0] for part in found.slices} == {"script"}


def test_scripts_and_points():
    assert (script("漢字"), script("123"), script("abc д")) == ("han", "none", "latin")
    assert (points(0.13), points(1.2)) == ("13 points", "–")


def test_a_case_fits_a_prompt_or_says_why_not():
    variables = {"question": Variable(), "n": Variable(type="integer", default=1), "context": Variable()}
    prompt = PromptVersion(name="p", version="1.0.0", model="m", messages=(), variables=variables)
    fine = Case(id="a", variables={"question": "x"}, context=["doc"])
    assert list(fitting(fine, prompt)) == []
    assert given_to(fine, prompt) == {"question": "x", "context": "doc"}
    several = replace(prompt, variables={"context": Variable(type="array")})
    assert given_to(Case(id="a", context=["one", "two"]), several) == {"context": ["one", "two"]}
    assert given_to(Case(id="a", context=["one"], variables={"context": "own"}), prompt) == {"context": "own"}
    wrong = list(fitting(Case(id="a", variables={"questions": "x", "n": "1"}), prompt))
    assert wrong == [
        "p@1.0.0 has no variable 'questions'. Did you mean 'question'?",
        "p@1.0.0 needs the variable 'question'",
        "the variable 'n' of p@1.0.0 must be of type integer (it is text)",
        "p@1.0.0 needs the variable 'context'",
    ]
