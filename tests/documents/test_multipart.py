"""Forms with files: fields found, files untouched, tricks refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.documents.multipart import (
    MAX_PART_HEAD,
    MAX_PARTS,
    FormStream,
    Part,
    file_names,
    read_form,
    text_fields,
    with_field,
    with_file_names,
)
from moat.domain.errors import RequestError

KIND = "multipart/form-data; boundary=cut"


def form(*parts: tuple[str, bytes], boundary: bytes = b"cut") -> bytes:
    """Parts of a header and a value."""
    body = b"".join(
        b"--" + boundary + b"\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + value + b"\r\n"
        for head, value in parts
    )
    return body + b"--" + boundary + b"--\r\n"


def test_fields_and_files_are_told_apart() -> None:
    body = form(
        ('name="model"', b"whisper-1"),
        ('name="file"; filename="a; name=\\"model\\".wav"\r\nContent-Type: audio/wav', b"RIFF\r\n\r\n--cu"),
        ("name=language", b"de"),
        ('name="include[]"', b"one"),
        ('name="include[]"', b""),
    )
    fields = read_form(body, KIND)

    assert [(field.name, field.is_file) for field in fields] == [
        ("model", False),
        ("file", True),
        ("language", False),
        ("include[]", False),
        ("include[]", False),
    ]
    assert body[fields[1].start : fields[1].stop] == b"RIFF\r\n\r\n--cu"
    assert text_fields(body, fields, longest=100) == {
        "model": "whisper-1",
        "language": "de",
        "include[]": ["one", ""],
    }


def test_one_field_is_exchanged_and_nothing_else() -> None:
    before = form(('name="model"', b"mine"), ('name="file"; filename=a', b"mine"))

    assert with_field(before, KIND, "model", "theirs") == form(
        ('name="model"', b"theirs"), ('name="file"; filename=a', b"mine")
    )


bytes_without_cut = st.binary(max_size=40).filter(lambda value: b"--cut" not in value)


@given(st.lists(st.tuples(st.sampled_from(["a", "model", "b c"]), st.booleans(), bytes_without_cut), max_size=5))
def test_whatever_was_written_is_found(parts: list[tuple[str, bool, bytes]]) -> None:
    written = [(f'name="{name}"' + ('; filename="f"' if is_file else ""), value) for name, is_file, value in parts]
    body = form(*written) if parts else b"--cut--"

    fields = read_form(body, KIND)

    assert [(field.name, field.is_file, body[field.start : field.stop]) for field in fields] == parts


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for sent in (body, b"--cut\r\n" + body, form(('name="model"', body))):
        with suppress(RequestError):
            read_form(sent, KIND)


@given(st.text(max_size=120))
def test_any_content_type_is_read_or_refused(text: str) -> None:
    for kind in (text, f"multipart/form-data; boundary={text}", f'multipart/form-data; boundary="{text}"'):
        with suppress(RequestError):
            assert read_form(form(("name=a", b"1")), kind) == read_form(form(("name=a", b"1")), KIND)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(max_size=40))
def test_a_file_has_another_name_and_nothing_else_changes(name: str, value: bytes) -> None:
    value = value.replace(b"--cut", b"")
    head = 'name="file"; filename="old"\r\nContent-Type: audio/wav'
    body = form(('name="model"', b"a"), (head, value), ('name="mask"; filename="b"', value), ("name=c", b"d"))

    renamed = with_file_names(body, KIND, {0: name})

    plain = "".join(" " if letter < " " or letter == "\x7f" else letter for letter in name)
    assert file_names(renamed, KIND) == [plain, "b"]
    assert with_file_names(renamed, KIND, {0: "old"}) == body


def test_names_of_files_in_other_alphabets_are_read() -> None:
    extended = "name=file; filename*=UTF-8''na%C3%AFve%20file.wav"
    assert file_names(form((extended, b"x")), KIND) == ["naïve file.wav"]
    assert file_names(form((f'{extended}; filename="naïve file.wav"', b"x")), KIND) == ["naïve file.wav"]
    assert file_names(form(('name=file; filename=""', b"x"), ("name=a", b"b")), KIND) == [""]
    with pytest.raises(RequestError, match="two names"):
        file_names(form((f'{extended}; filename="other.wav"', b"x")), KIND)
    assert file_names(with_file_names(form((extended, b"x")), KIND, {0: "new"}), KIND) == ["new"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "multipart/mixed; boundary=cut",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
        'multipart/form-data; boundary="a\tb"',
        "multipart/form-data; boundary=cut; boundary=other",
        "multipart/form-data; boundary=cut; =",
        "",
    ],
)
@pytest.mark.promise("inj-5")
def test_a_boundary_is_as_rfc_2046_has_it(kind: str) -> None:
    with pytest.raises(RequestError):
        read_form(form(('name="model"', b"a")), kind)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "begin"),
        (b"hello --cut--", "begin"),
        (b"--cut\r\n\r\nvalue\r\n--cut--", "Content-Disposition"),
        (b"--cutx\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--cut--", "without headers"),
        (b"--cut\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "last boundary"),
        (form(("name=a", b"1")) + b"more", "goes on"),
        (b"--cut\r\nContent-Type: text/plain\r\n\r\n1\r\n--cut--", "Content-Disposition"),
        (
            form(("name=a\r\ncontent-disposition: form-data; name=b", b"1")),
            "Content-Disposition",
        ),
        (b"--cut\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--cut--", "name"),
        (form(("filename=a", b"1")), "name"),
        (form(('name="a', b"1")), "unclear"),
        (form(("name=a; name=b", b"1")), "unclear"),
        (form(*[("name=a", b"1")] * (MAX_PARTS + 1)), "parts"),
        (
            b"--cut\r\nContent-Disposition: form-data; name=" + b"a" * 10_000 + b"\r\n\r\n1\r\n--cut--",
            "without headers",
        ),
    ],
)
def test_what_is_not_plainly_a_form_is_refused(body: bytes, what: str) -> None:
    with pytest.raises(RequestError, match=what):
        read_form(body, KIND)


@pytest.mark.parametrize(
    "body",
    [
        form(("name=other", b"a")),
        form(("name=model", b"a"), ("name=model", b"b")),
        form(("name=model; filename=x", b"a")),
    ],
)
def test_a_field_to_exchange_must_stand_there_once(body: bytes) -> None:
    with pytest.raises(RequestError, match="exactly once"):
        with_field(body, KIND, "model", "b")


def test_a_value_cannot_break_out_of_its_part() -> None:
    with pytest.raises(RequestError, match="line break"):
        with_field(form(("name=model", b"a")), KIND, "model", "b\r\n--cut--")


@pytest.mark.parametrize("value", [b"\xff", b"x" * 101])
def test_texts_are_bounded_and_utf_8(value: bytes) -> None:
    body = form(("name=prompt", value))
    with pytest.raises(RequestError) as caught:
        text_fields(body, read_form(body, KIND), longest=100)
    assert caught.value.where == "prompt"


def streamed(body: bytes, cuts: list[int]) -> list[tuple[str, bool, str, bytes]]:
    """Name, is it a file?, file name and value of each part, read piece by piece."""
    stream, found = FormStream(KIND), list[tuple[str, bool, str, bytes]]()
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    for start, stop in zip(edges, [*edges[1:], len(body)], strict=True):
        for event in stream.feed(body[start:stop]):
            if isinstance(event, Part):
                found.append((*event, b""))
            else:
                assert event
                found[-1] = (*found[-1][:3], found[-1][3] + event)
    stream.end()
    return found


def whole(body: bytes) -> list[tuple[str, bool, str, bytes]]:
    return [(each.name, each.is_file, each.filename, body[each.start : each.stop]) for each in read_form(body, KIND)]


tricky = st.lists(st.sampled_from([b"\r\n", b"--cut", b"--", b"-", b"\r", b"a", b"\n", b" "]), max_size=12).map(
    b"".join
)
places = st.lists(st.integers(0, 10_000), max_size=8)


@given(st.lists(st.tuples(st.booleans(), st.one_of(tricky, st.binary(max_size=40))), max_size=4), tricky, places)
def test_a_form_is_the_same_however_it_is_cut(parts: list[tuple[bool, bytes]], end: bytes, cuts: list[int]) -> None:
    written = [(f'name="a{n}"' + ('; filename="f"' if is_file else ""), v) for n, (is_file, v) in enumerate(parts)]
    for body in (form(*written) + end, form(*written)[: -len(end) or None], end):
        try:
            expected = whole(body)
        except RequestError:
            with pytest.raises(RequestError):
                streamed(body, cuts)
        else:
            assert streamed(body, cuts) == expected
            assert streamed(body, list(range(len(body)))) == expected


def test_a_stream_holds_little_of_a_long_value() -> None:
    stream = FormStream(KIND)
    stream.feed(b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    for _ in range(100):
        (piece,) = stream.feed(b"\r\n--cu" * 10_000)
        assert len(piece) >= 60_000 - 10
    with pytest.raises(RequestError, match="last boundary"):
        stream.end()


@pytest.mark.parametrize(
    "body",
    [
        b"--cut" + b"x" * (MAX_PART_HEAD + 1),
        form(*[(f"name=a{n}", b"1") for n in range(MAX_PARTS + 1)]),
        form(("name=a", b"1")) + b"more",
        b"--cut\r\nContent-Type: text/plain\r\n\r\n",
        b"hello",
    ],
)
@pytest.mark.promise("inj-5")
def test_a_stream_refuses_what_is_no_form_as_soon_as_it_is_seen(body: bytes) -> None:
    with pytest.raises(RequestError):
        FormStream(KIND).feed(body)
