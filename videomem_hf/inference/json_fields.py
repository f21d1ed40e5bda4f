"""Reading a JSON object field by field: what has another type, or is out of range, is refused by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from videomem_hf.schema import HORIZONS, Horizon, InputError, check_horizon, sort_horizons
from videomem_hf.system import printable

REQUIRED: Final = object()
"""Default of a field that must be there."""
MOST: Final = 1e6
"""Size up to which numbers are accepted: larger ones would overflow in what is computed from them."""


class FieldError(ValueError):
    """A field that cannot be used; the message names it, says what was found, and what is allowed."""

    def __init__(self, name: str, found: object, allowed: str) -> None:
        shown = "missing" if found is REQUIRED else repr(found)
        if isinstance(found, list) and len(found) > 4:
            shown = f"a list of {len(found)}"
        super().__init__(f"{name} is {shown if len(shown) <= 60 else f'{shown[:57]}...'}; it must be {allowed}")


@dataclass(frozen=True)
class Fields:
    """A JSON object; each method reads one of its fields, or gives the default where there is none.

    Attributes:
        values: The object.
        name: Its own name in the file, such as "fits.short_term".
    """

    values: Mapping[str, Any]
    name: str = ""

    @classmethod
    def of(cls, value: Any, name: str = "") -> "Fields":
        """Check that a value is an object."""
        if not isinstance(value, Mapping):
            raise FieldError(name or "the content", value, "a JSON object")
        return cls(value, name)

    def _get(self, key: str, default: Any) -> tuple[Any, str]:
        return self.values.get(key, default), f"{self.name}.{key}" if self.name else key

    def text(self, key: str, default: Any = REQUIRED) -> str:
        value, name = self._get(key, default)
        if not isinstance(value, str):
            raise FieldError(name, value, "a text")
        return printable(value)

    def choice(self, key: str, allowed: tuple[str, ...], default: Any = REQUIRED) -> str:
        value, name = self._get(key, default)
        if value not in allowed:
            raise FieldError(name, value, f"one of {', '.join(allowed)}")
        return value

    def flag(self, key: str, default: Any = REQUIRED) -> bool:
        value, name = self._get(key, default)
        if not isinstance(value, bool):
            raise FieldError(name, value, "true or false")
        return value

    def count(self, key: str, default: Any = REQUIRED) -> int:
        value, name = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise FieldError(name, value, "a whole number, 0 or more")
        return value

    def number(self, key: str, low: float = -MOST, high: float = MOST, default: Any = REQUIRED) -> float:
        value, name = self._get(key, default)
        return _number(value, name, low, high)

    def numbers(
        self, key: str, length: int, low: float = -MOST, high: float = MOST, rising: bool = False
    ) -> tuple[float, ...]:
        """So many numbers; `rising`: none may be lower than the one before."""
        value, name = self._get(key, REQUIRED)
        return _numbers(value, name, length, low, high, rising)

    def rows(self, key: str, rows: int, length: int) -> tuple[tuple[float, ...], ...]:
        """So many lists of so many numbers."""
        value, name = self._get(key, REQUIRED)
        if not isinstance(value, list | tuple) or len(value) != rows:
            raise FieldError(name, value, f"a list of {rows} lists")
        return tuple(_numbers(row, f"{name}[{i}]", length) for i, row in enumerate(value))

    def section(self, key: str, default: Any = REQUIRED) -> "Fields":
        """A field that is an object itself."""
        return Fields.of(*self._get(key, default))

    def of_horizons(self, key: str, default: Any = REQUIRED) -> "tuple[Fields, list[Horizon]]":
        """An object with a value for each of some horizons, and which these are."""
        inner = self.section(key, default)
        for name in inner.values:
            try:
                check_horizon(name)
            except InputError:
                raise FieldError(f"a horizon in {inner.name}", name, f"a name such as {HORIZONS[0]}") from None
        return inner, sort_horizons(inner.values)


def _number(value: Any, name: str, low: float = -MOST, high: float = MOST) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise FieldError(name, value, f"a number from {low:g} to {high:g}")


def _numbers(
    value: Any, name: str, length: int, low: float = -MOST, high: float = MOST, rising: bool = False
) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) != length:
        raise FieldError(name, value, f"a list of {length} numbers")
    numbers = tuple(_number(each, f"{name}[{i}]", low, high) for i, each in enumerate(value))
    for i in range(1, length if rising else 0):
        if numbers[i] < numbers[i - 1]:
            raise FieldError(f"{name}[{i}]", numbers[i], f"no lower than the number before it, {numbers[i - 1]:g}")
    return numbers
