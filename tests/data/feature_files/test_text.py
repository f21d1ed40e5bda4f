"""Feature files that are text: the fast way equals the plain one, and damage is one sentence."""

import random
import struct
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from videomem_hf.data.feature_files import text as feature_text
from videomem_hf.data.feature_files.text import (
    Separator,
    TextFiles,
    check_sums,
    parse_dense,
    parse_exactly,
    parse_histograms,
    parse_pairs,
)
from videomem_hf.schema import InputError


def files(*data: bytes) -> TextFiles:
    return TextFiles([f"/r/video{number}.txt" for number in range(1, len(data) + 1)], data)


NUMBER = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(0, 1).map("{:.8f}".format),
    st.floats(0, 1).map("{:.6f}".format),
    st.floats(-99, 99).map("{:.6f}".format),
    st.floats(0, 1).map("{:e}".format),
    st.integers(0, 10**9).map(str),
)
DIGITS = st.text(st.sampled_from("0123456789"), min_size=1, max_size=9)
FIXED_POINT = st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), DIGITS, DIGITS)
SCIENTIFIC = st.builds("{:.6f}e{:+03d}".format, st.floats(-9.999999, 9.999999), st.integers(-330, 307))
SPACE = st.sampled_from([" ", "\n", "\r\n", "  ", "\t"])


@st.composite
def dense_file(draw: Any, kind: str) -> tuple[bytes, list[float]]:
    numbers = draw(st.lists(NUMBER, min_size=1, max_size=12))
    separator = draw(SPACE if kind == "space" else st.sampled_from([",", ", ", " ,"]))
    text = draw(st.sampled_from(["", " "])) + separator.join(numbers) + draw(st.sampled_from(["", " ", "\n", " \r\n"]))
    return text.encode(), [float(number) for number in numbers]


@st.composite
def pairs_file(draw: Any) -> tuple[bytes, list[tuple[int, float]]]:
    indices = sorted(draw(st.sets(st.integers(0, 9999), min_size=1, max_size=12)))
    numbers = [draw(NUMBER) for _ in indices]
    separator = draw(SPACE)
    text = separator.join(f"{index}:{number}" for index, number in zip(indices, numbers, strict=True))
    ending = draw(st.sampled_from(["", " ", "\n"]))
    return (text + ending).encode(), [(index, float(number)) for index, number in zip(indices, numbers, strict=True)]


@given(st.lists(st.one_of(NUMBER, FIXED_POINT, SCIENTIFIC), min_size=1))
@example(
    ["-0.0", "1.234567e+07", "9.999999e+28", "7.000001e-16", "2.2250738585072011e-308", "5e-324", "9007199254740993"]
)
def test_every_form_of_number_is_read_to_the_bit(numbers: list[str]) -> None:
    values, _ = parse_dense(files(" ".join(numbers).encode()))
    assert [struct.pack("<d", value) for value in values] == [struct.pack("<d", float(number)) for number in numbers]


@pytest.mark.parametrize("separator", ["space", "comma"])
@given(data=st.data())
def test_dense_files_give_what_float_gives(separator: Any, data: st.DataObject) -> None:
    made = data.draw(st.lists(dense_file(separator), min_size=1, max_size=6))
    values, counts = parse_dense(files(*(text for text, _ in made)), separator)
    assert values.tolist() == [number for _, numbers in made for number in numbers]
    assert counts.tolist() == [len(numbers) for _, numbers in made]


@given(st.lists(pairs_file(), min_size=1, max_size=6))
def test_pairs_files_give_what_int_and_float_give(made: list[tuple[bytes, list[tuple[int, float]]]]) -> None:
    pairs = parse_pairs(files(*(data for data, _ in made)))
    expected = [pair for _, found in made for pair in found]
    assert list(zip(pairs.indices.tolist(), pairs.values.tolist(), strict=True)) == expected
    assert pairs.counts.tolist() == [len(found) for _, found in made]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_any_bytes_are_read_as_the_plain_way_reads_them_or_refused(data: list[bytes]) -> None:
    for parse, plain in (
        (parse_dense, partial(exact_dense, "space")),
        (partial(parse_dense, separator="comma"), partial(exact_dense, "comma")),
        (parse_pairs, parse_exactly),
    ):
        assert outcome(parse, data) == outcome(plain, data)


def exact_dense(separator: Separator, given: TextFiles) -> tuple[np.ndarray, ...]:
    return parse_exactly(given, separator, with_index=False)[1:]


def outcome(parse: Any, data: list[bytes]) -> Any:
    """What parsing gives, or the sentence it ends with."""
    try:
        return [column.tolist() for column in parse(files(*data))]
    except InputError as error:
        return str(error)


@example([",0 0"])
@example(["0 0,,0"])
@example(["0, 0,0 "])
@example(["0x10:1 0X11:1"])
@example(["+1:1"])
@example(["000000001:1"])
@example(["1:1", "-1:1"])
@example(["1:0x1 2:inf 3:1e999"])
@given(st.lists(st.text(st.sampled_from("0123456789.:e-+x ,\n"), max_size=30), min_size=1, max_size=4))
def test_number_like_text_is_read_as_the_plain_way_reads_it(texts: list[str]) -> None:
    test_any_bytes_are_read_as_the_plain_way_reads_them_or_refused.hypothesis.inner_test(
        [text.encode() for text in texts]
    )


@given(
    st.lists(st.lists(st.floats(-9.9, 9.9).map("{:.6f}".format), min_size=1, max_size=6), min_size=1, max_size=4),
    st.sampled_from(
        [
            "0-123456",
            "0/123456",
            "0.12345-",
            "-.123456",
            "--0.123456",
            "0.12345",
            "10.123456",
            "0..123456",
            "",
            "+0.123456",
        ]
    ),
    st.data(),
)
def test_signed_numbers_of_six_decimals_and_what_looks_like_them(
    files_: list[list[str]], odd: str, data: st.DataObject
) -> None:
    whole = [",".join(numbers).encode() for numbers in files_]
    assert outcome(partial(parse_dense, separator="comma"), whole) == [
        [float(number) for numbers in files_ for number in numbers], [len(numbers) for numbers in files_]
    ]  # fmt: skip
    numbers = data.draw(st.sampled_from(files_))
    numbers.insert(data.draw(st.integers(0, len(numbers))), odd)
    spoilt = [",".join(numbers).encode() for numbers in files_]
    plain = partial(exact_dense, "comma")
    assert outcome(partial(parse_dense, separator="comma"), spoilt) == outcome(plain, spoilt)


def test_many_files_are_parsed_in_groups_in_their_order() -> None:
    rng = random.Random(0)
    texts = [" ".join(f"{rng.random():.8f}" for _ in range(rng.randrange(1, 8000))) for _ in range(90)]
    values, counts = parse_dense(files(*(text.encode() for text in texts)))
    assert sum(map(len, texts)) > (feature_text._THREADS_FROM + 1) * feature_text._GROUP_BYTES
    assert values.tolist() == [float(number) for text in texts for number in text.split()]
    assert counts.tolist() == [len(text.split()) for text in texts]


COMMAS = partial(parse_dense, separator="comma")
C3D = "".join(f"{1 / 101:.8f} " for _ in range(101)).encode()
HMP = (" ".join(f"{index}:0.010000" for index in range(1, 101)) + "\n").encode()


@pytest.mark.parametrize(
    ("parse", "data", "message"),
    [
        (COMMAS, b"0.5,,0.5", r"video2.txt:1: '' is not a number"),
        (COMMAS, b"0.5, 0.5 0.5", r"video2.txt:1: '0.5 0.5' is not a number"),
        (COMMAS, b"0.5,\n", r"video2.txt:1: '' is not a number"),
        (COMMAS, b"\n", r"video2.txt is empty"),
        (parse_dense, b"0,5 0,5", r"video2.txt:1: '0,5' is not a number"),
        (parse_dense, b"0.5 x", r"video2.txt:1: 'x' is not a number"),
        (parse_dense, b"0.5 0.5\n0.5 0.5 1.5.2", r"video2.txt:2: '1.5.2' is not a number"),
        (parse_dense, b"0.5 nan", r"video2.txt:1: 'nan' is not a number"),
        (parse_dense, b"0.5 inf", r"video2.txt:1: 'inf' is not a number"),
        (parse_dense, b"0.5 1e999", r"video2.txt:1: '1e999' is not a number"),
        (parse_dense, b"0.5 +-1", r"video2.txt:1: '\+-1' is not a number"),
        (parse_dense, b"0.5 1:0.5", r"video2.txt:1: '1:0.5' is not a number"),
        (parse_dense, b" \n", r"video2.txt is empty"),
        (parse_dense, b"\x80\x04]q\x00.", r"video2.txt:1: '\\x80\\x04\]q\\x00\.' is not a number"),
        (parse_dense, C3D[:-4], r"video2.txt:1: the file is cut off within its last number"),
        (parse_pairs, b"1:0.5 2", r"video2.txt:1: '2' is not an index:value pair"),
        (parse_pairs, b"1:0.5\n2:x", r"video2.txt:2: '2:x' is not an index:value pair"),
        (parse_pairs, b"1:0.5 2:3:4", r"video2.txt:1: '2:3:4' is not an index:value pair"),
        (parse_pairs, b"1:0.5 -2:3", r"video2.txt:1: '-2:3' is not an index:value pair"),
        (parse_pairs, b"1e2:0.5", r"video2.txt:1: '1e2:0.5' is not an index:value pair"),
        (parse_pairs, b"5:0.5\n5:0.5", r"video2.txt:2: index 5 after 5"),
        (parse_pairs, b"0.5 0.5", r"video2.txt:1: '0.5' is not an index:value pair"),
        (parse_pairs, HMP[:-3], r"video2.txt:1: the file is cut off within its last number"),
    ],
)
def test_damage_is_one_sentence_with_file_and_line(parse: Any, data: bytes, message: str) -> None:
    good = {parse_dense: b"0.25 0.75", COMMAS: b"0.25,0.75", parse_pairs: b"3:0.25 9:0.75"}[parse]
    with pytest.raises(InputError, match=message):
        parse(files(good, data, good))


def test_numbers_of_varying_length_are_not_taken_for_a_file_cut_off() -> None:
    data = " ".join(["0.125"] * 70 + ["0.25", "0.5"])
    assert parse_dense(files(data.encode()))[0].tolist()[-2:] == [0.25, 0.5]
    assert parse_dense(files(b"0.125 0.5"))[0].tolist() == [0.125, 0.5]


HISTOGRAM = b"10:5 11:0 12:7 \n0:12 \n254:2 255:10 "


def test_histograms() -> None:
    found = parse_histograms(files(HISTOGRAM, HISTOGRAM + b"\n", HISTOGRAM.replace(b"\n", b"\r\n")))
    expected = np.zeros((3, 256), int)
    expected[0, 10], expected[0, 12], expected[1, 0], expected[2, 254], expected[2, 255] = 5, 7, 12, 2, 10
    assert (found == expected).all()
    assert found.shape == (3, 3, 256)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1:2 \n3:4 ", r"video2.txt: 2 lines where a colour histogram has 3"),
        (HISTOGRAM + b"\n1:1 ", r"video2.txt: 4 lines"),
        (HISTOGRAM[:-2], r"video2.txt:3: (the file is cut off|'255:' is not an index)"),
        (HISTOGRAM[:-1] + b"7", r"video2.txt:3: the file is cut off"),
        (HISTOGRAM.replace(b"255", b"256"), r"video2.txt:3: index 256 where this feature has 0 to 255"),
        (HISTOGRAM.replace(b"\n0:12 ", b"\n0:1.5 "), r"video2.txt:2: 1.5 is not a number of pixels"),
        (HISTOGRAM[: -len("255:10 ")], r"video2.txt:3: 2 pixels where the other channels have 12; the file is cut off"),
        (HISTOGRAM.replace(b"\n0:12 ", b"\n0:-1 "), r"video2.txt:2: -1 is not a number of pixels"),
        (HISTOGRAM.replace(b"\n0:12 ", b"\n0 12 "), r"video2.txt:2: '0' is not an index:value pair"),
    ],
)
def test_damaged_histograms(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_histograms(files(HISTOGRAM, data))


def test_sums_allow_what_rounding_explains() -> None:
    values, counts = parse_dense(files(C3D, C3D))
    check_sums(values, counts, files(C3D, C3D), decimals=8)
    with pytest.raises(InputError, match=r"video2.txt:1: the values sum to 0.9[0-9]* where"):
        check_sums(values[:-2], np.array([101, 99]), files(C3D, C3D), decimals=8)


@pytest.mark.parametrize(("place", "caught"), [(3, True), (5, True), (8, False)])
def test_a_changed_digit_is_caught_down_to_the_fifth_decimal(place: int, caught: bool) -> None:
    """Of 101 numbers of 8 decimals, which sum to 1 within their rounding, the last digit of one is not noticed."""
    shares = np.round(np.random.default_rng(0).dirichlet(np.ones(101)), 8)
    shares[0] += 10.0**-place
    files = TextFiles(["video1.txt"], [b""])
    if caught:
        with pytest.raises(InputError, match=r"video1.txt:1: the values sum to 1.0"):
            check_sums(shares, np.array([101]), files, decimals=8)
    else:
        check_sums(shares, np.array([101]), files, decimals=8)
