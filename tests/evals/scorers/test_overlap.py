"""ROUGE, BLEU, chrF and edit distance, against the packages that others measure with."""

import logging

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moat.domain.scores import Score
from moat.evals.scorers.bleu import (
    bleu_counts,
    bleu_of,
    chrf_counts,
    chrf_of,
    corpus_bleu,
    corpus_chrf,
    tokens_13a,
)
from moat.evals.scorers.porter import stem
from moat.evals.scorers.rouge import rouge
from moat.evals.scorers.sequences import common_length, common_places, edit_distance
from tests.evals.scorers.worlds import score

rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer", reason="the oracle for ROUGE is not installed")
sacrebleu = pytest.importorskip("sacrebleu", reason="the oracle for BLEU and chrF is not installed")
logging.getLogger("sacrebleu").setLevel(logging.ERROR)

VARIANTS = {"1": "rouge1", "2": "rouge2", "L": "rougeL", "Lsum": "rougeLsum"}
WORDS_TEXT = (
    "the cat cats sat sitting on a mat flies dying agreed relational hopefulness happily controlling rolling news "
    "U.S. 3.5 1,000 don't co-op e-mail 10-20 <b> &amp; (hi) «so» naïve 東京 end. end! ... é ß İ 𝔘"
)
WORDS = WORDS_TEXT.split()
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)
LINES = st.lists(SENTENCES, max_size=4).map("\n".join)
TEXTS = LINES | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(deadline=None, max_examples=150)
@given(TEXTS, TEXTS, st.booleans())
@example("police killed the gunman", "police kill the gunman", True)
def test_rouge_is_that_of_rouge_score(reference, answer, stemmed):
    oracle = rouge_scorer.RougeScorer([*VARIANTS.values()], use_stemmer=stemmed).score(reference, answer)
    for variant, theirs in VARIANTS.items():
        mine = rouge(reference, answer, variant, stemmed=stemmed)
        expected = oracle[theirs]
        assert (mine.precision, mine.recall, mine.f1) == pytest.approx(
            (expected.precision, expected.recall, expected.fmeasure), abs=1e-9
        )


ENDINGS_TEXT = (
    "s es ies ied ed eed ing ational tional enci anci izer bli alli entli eli ousli ization ation ator alism "
    "iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er "
    "ic able ible ant ement ment ent sion tion ou ism ate iti ous ive ize y e ll"
)
ENDINGS = ENDINGS_TEXT.split()
STEMS = st.text("abcdefghilmnorstuyz", min_size=1, max_size=6)


@settings(deadline=None, max_examples=500)
@given(STEMS, st.lists(st.sampled_from(ENDINGS), max_size=3))
@example("sk", ["ies"])
@example("geo", ["logi"])
@example("yyy", ["ed"])
def test_words_lose_the_endings_that_nltk_takes_off(beginning, endings):
    oracle = pytest.importorskip("nltk.stem.porter", reason="the oracle for stems is not installed")
    word = beginning + "".join(endings)
    assert stem(word) == oracle.PorterStemmer().stem(word)


REFERENCES = st.lists(TEXTS, min_size=1, max_size=3)


@settings(deadline=None, max_examples=200)
@given(TEXTS, REFERENCES)
@example("the cat", ["the cat"])
@example("", [""])
@example("a b c d e", ["a b c d f", "e"])
def test_bleu_of_a_sentence_is_that_of_sacrebleu(answer, references):
    oracle = sacrebleu.sentence_bleu(answer, references).score / 100
    assert bleu_of(bleu_counts(answer, references), sentence=True) == pytest.approx(oracle, abs=1e-9)


@settings(deadline=None, max_examples=200)
@given(TEXTS, REFERENCES, st.sampled_from([0, 1, 2]))
def test_chrf_of_a_sentence_is_that_of_sacrebleu(answer, references, word_order):
    oracle = sacrebleu.sentence_chrf(answer, references, word_order=word_order).score / 100
    assert chrf_of(chrf_counts(answer, references, word_order)) == pytest.approx(oracle, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | SENTENCES)
def test_tokens_are_those_of_mteval_13a(text):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    assert tokens_13a(text) == Tokenizer13a()(text.rstrip()).split()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5))
def test_the_corpus_s_score_comes_from_the_evidence_of_its_answers(rows):
    answers = [answer for answer, _, _ in rows]
    columns = [[one for _, one, _ in rows], [other for _, _, other in rows]]
    scored = {
        kind: [score({"kind": kind}, answer, expected=[one, other]) for answer, one, other in rows]
        for kind in ("bleu", "chrf")
    }
    assert corpus_bleu(scored["bleu"]) == pytest.approx(sacrebleu.corpus_bleu(answers, columns).score / 100, abs=1e-9)
    assert corpus_chrf(scored["chrf"]) == pytest.approx(sacrebleu.corpus_chrf(answers, columns).score / 100, abs=1e-9)


def test_a_corpus_without_a_scored_answer_has_no_score():
    assert corpus_bleu([Score(name="bleu", status="error", reason="x")]) is None
    assert corpus_chrf([]) is None


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_longest_common_subsequence_is_the_textbook_s(first, second):
    rows = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            rows[i + 1][j + 1] = rows[i][j] + 1 if one == other else max(rows[i][j + 1], rows[i + 1][j])
    assert common_length(first, second) == len(common_places(first, second)) == rows[-1][-1]


@given(st.text("abü𝔘", max_size=12), st.text("abü𝔘", max_size=12))
@example("kitten", "sitting")
@example("", "abc")
def test_the_edit_distance_is_the_textbook_s(one, other):
    row = list(range(len(other) + 1))
    for i, mine in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, theirs in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (mine != theirs))
    assert edit_distance(one, other) == row[-1]


@pytest.mark.parametrize(
    ("reference", "answer", "f1"),
    [
        ("The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log.", 10 / 17),
        ("police killed the gunman", "police kill the gunman", 0.75),
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("a b c d", "a x b y c z d", 8 / 11),
        ("", "a", 0.0),
        ("a", "", 0.0),
    ],
)
def test_rouge_l_equals_examples_worked_by_hand(reference, answer, f1):
    assert rouge(reference, answer, "L").f1 == pytest.approx(f1)


@pytest.mark.parametrize(
    ("options", "answer", "expected", "value"),
    [
        ({"kind": "rouge_l"}, "the cat", ["a dog", "the cat"], 1),
        ({"kind": "rouge_1", "measured": "precision"}, "the cat", "the cat sat", 1),
        ({"kind": "rouge_1", "measured": "recall"}, "the cat", "the cat sat down", 0.5),
        ({"kind": "rouge_1", "stem": True}, "he was running", "he was run", 1),
        ({"kind": "rouge_2"}, "x", "y", 0),
        ({"kind": "bleu"}, "the cat sat on the mat", ["a dog", "the cat sat on the mat"], 1),
        ({"kind": "bleu", "ignore_case": True}, "THE CAT SAT DOWN", "the cat sat down", 1),
        ({"kind": "chrf"}, "abc", "xyz", 0),
        ({"kind": "chrf", "word_order": 2}, "the same words", "the same words", 1),
        ({"kind": "levenshtein"}, "kitten", ["sitting", "mitten"], 5 / 6),
        ({"kind": "levenshtein", "max_distance": 1}, "kitten", "mitten", 1),
        ({"kind": "levenshtein", "max_distance": 0, "ignore_case": True}, "A ", "a", 1),
        ({"kind": "levenshtein"}, "", "", 1),
    ],
)
def test_values(options, answer, expected, value):
    got = score(options, answer, expected=expected)
    assert got.value == pytest.approx(value)
    assert bool(got.reason) == (value in (0, 5 / 6))


@pytest.mark.parametrize("kind", ["rouge_1", "rouge_2", "rouge_l", "rouge_lsum", "bleu", "chrf", "levenshtein"])
def test_texts_of_100_kilobytes_are_scored(kind):
    answer, reference = "ab cd\n" * 17_000, "cd ab\n" * 17_000
    assert score({"kind": kind}, answer, expected=reference).status == "ok"
