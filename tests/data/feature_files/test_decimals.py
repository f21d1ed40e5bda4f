"""Numbers out of text, many at a time: equal to the bit to `float()`, whatever the form."""

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from videomem_hf.data.feature_files.decimals import read_numbers, read_unit_interval
from videomem_hf.data.feature_files.integers import read_digits, words_before


def places(tokens: list[str]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Join tokens as `read_numbers` wants them: 8 bytes before, a space after each."""
    text = " " * 8 + "".join(f"{token} " for token in tokens)
    lengths = np.array([len(token) for token in tokens], np.int64)
    ends = 8 + np.cumsum(lengths + 1) - 1
    return text.encode(), ends - lengths, ends


def bits(values: object) -> list[bytes]:
    return [struct.pack("<d", value) for value in np.asarray(values, float).tolist()]


DIGIT = st.sampled_from("0123456789")


def fixed(decimals: int, whole: int = 1) -> st.SearchStrategy[str]:
    return st.builds(
        "{}{}.{}".format,
        st.sampled_from(["", "-"]) if whole > 1 else st.just(""),
        st.text(DIGIT, min_size=1, max_size=whole),
        st.text(DIGIT, min_size=decimals, max_size=decimals),
    )


SCIENTIFIC = st.builds(
    "{:.6f}e{:+03d}".format, st.floats(0, 9.999999), st.one_of(st.integers(-99, 99), st.integers(-18, 30))
)
FORMS = st.one_of(
    st.lists(SCIENTIFIC, min_size=1),
    *(st.lists(fixed(decimals), min_size=1) for decimals in range(1, 10)),
    *(st.lists(fixed(decimals, 9), min_size=1) for decimals in (1, 6, 8)),
    st.lists(st.integers(0, 10**10).map(str), min_size=1),
    st.lists(st.floats(0, allow_infinity=False, allow_nan=False).map("{:e}".format), min_size=1),
    st.lists(st.floats(allow_infinity=False, allow_nan=False).map(repr), min_size=1),
    st.lists(st.text(st.sampled_from("0123456789+-.eE"), min_size=1, max_size=12), min_size=1, max_size=3),
)


@given(FORMS)
@example(["1.234567e+07", "9.999999e+28", "7.000001e-16", "1.234567e+29", "1.234567e-17"])
def test_equal_to_the_bit_to_float_or_refused(tokens: list[str]) -> None:
    try:
        expected = [float(token) for token in tokens]
    except ValueError:
        expected = [float("nan")]
    if np.isfinite(expected).all():
        assert bits(read_numbers(*places(tokens))) == bits(expected)
    else:
        with pytest.raises(ValueError, match=r"."):
            read_numbers(*places(tokens))


@given(st.integers(6, 8).flatmap(lambda decimals: st.lists(fixed(decimals), min_size=1)))
def test_numbers_of_one_width_are_read_at_once(tokens: list[str]) -> None:
    values = read_unit_interval("".join(f"{token} " for token in tokens).encode())
    assert values is not None
    assert bits(values) == bits([float(token) for token in tokens])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0.123456",
        b"0,123456 ",
        b"0.12345x ",
        b"0.123456 0.12345 ",
        b"x.123456 ",
        b"0.123456 0.1234567",
        b"-0.12345 ",
    ],
)
def test_any_other_form_is_left_alone(text: bytes) -> None:
    assert read_unit_interval(text) is None


@given(st.lists(st.text(st.characters(min_codepoint=1, max_codepoint=126), min_size=1, max_size=8), min_size=1))
def test_digits_are_read_and_all_else_is_refused(tokens: list[str]) -> None:
    text = "".join(f"{'~' * 8}{token}" for token in tokens)
    ends = np.cumsum([8 + len(token) for token in tokens])
    lengths = np.array([len(token) for token in tokens])
    numbers = read_digits(words_before(text.encode(), ends), lengths)
    if all(character in "0123456789" for token in tokens for character in token):
        assert numbers is not None
        assert numbers.tolist() == [int(token) for token in tokens]
    else:
        assert numbers is None
