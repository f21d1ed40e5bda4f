"""Recipes in YAML: found by name, changed by `key=value` overrides, and built into checked configurations."""

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import wraps
from itertools import takewhile
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Self, TypeVar, get_args, get_origin, get_type_hints

import yaml
from huggingface_hub.errors import StrictDataclassError

from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

RECIPES_FOLDER: Final = Path(__file__).parent / "training" / "recipes"
T = TypeVar("T")


@dataclass
class RunConfig:
    """What a run starts from: a recipe, with changes. A subclass adds the recipe's own keys.

    Attributes:
        data: Folder of the release (or of a generated sample's `release`), a prepared folder, or a Hub id.
        output: Folder for the model and its results.
        recipe: Name of the recipe or file that the values came from.
    """

    data: str
    output: str
    recipe: str

    @classmethod
    def from_recipe(
        cls, recipe: str | Path, *, data: str | Path, output: str | Path, overrides: Sequence[str] = ()
    ) -> Self:
        """Read a recipe and apply overrides.

        Args:
            recipe: Name of a recipe in the package, or a YAML file.
            data, output: See the attributes.
            overrides: `key=value`, the value in YAML; a dot leads into a section, a number or `*` into a list:
                `augmentation.flip=0`, `stages.0.epochs=3`.

        Raises:
            InputError: An unknown recipe or key, or a value of a wrong type or out of range.
        """
        values = read_yaml(recipe_path(recipe))
        for override in overrides:
            apply_override(values, override)
        given = {"data": str(data), "output": str(output), "recipe": str(recipe)}
        values = cls.from_former_names(values)
        known = [each.name for each in fields(cls) if each.name not in given]
        refuse_unknown(values, known, f"recipe {recipe}", inner_keys(values))
        return build(cls, values | given, f"recipe {recipe}")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        return build(cls, cls.from_former_names(read_yaml(path)), str(path))

    @classmethod
    def from_former_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The values of a file with the present names of keys that have been renamed since it was written."""
        return values

    def save(self, path: Path) -> None:
        path.write_text(yaml.safe_dump(asdict(self), sort_keys=False), encoding="utf-8")


def recipe_names() -> list[str]:
    return sorted(path.stem for path in RECIPES_FOLDER.glob("*.yaml"))


def recipe_summary(name: str) -> str:
    """The first sentence of the comment that a recipe of the package begins with."""
    lines = recipe_path(name).read_text(encoding="utf-8").splitlines()
    comment = " ".join(line[1:].strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    return re.split(r"(?<!Sec)(?<!Fig)(?<! al)\. ", comment)[0].rstrip(".")


def recipe_choices(recipe: str | Path) -> str:
    """What a recipe declares to be our own choice and not the paper's, as its first comment says; "" where nothing."""
    path = recipe_path(recipe)
    if not path.is_file():  # a recipe of the user's, which is not here any more
        return ""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return " ".join(line[1:].strip() for line in lines).partition("Our choice: ")[2]


def recipe_path(recipe: str | Path) -> Path:
    """The file of a recipe given by name or path. Raises InputError, naming those that exist."""
    if Path(recipe).suffix in {".yaml", ".yml"}:
        return Path(recipe)
    names = recipe_names()
    if str(recipe) not in names:
        hint = nearest(recipe, names)
        raise InputError(
            f"no recipe {str(recipe)!r}{hint}; there are {', '.join(names)}, or give a file that ends in .yaml"
        )
    return RECIPES_FOLDER / f"{recipe}.yaml"


class _YamlLoader(yaml.SafeLoader):
    """Reads `1e-3` as the number that YAML 1.2 takes it for; PyYAML follows version 1.1."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), [*"-+0123456789"]
)


def parse_yaml(text: str) -> Any:
    """The value that a text in YAML stands for. Raises yaml.YAMLError."""
    return yaml.load(text, _YamlLoader)


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a file. Raises InputError, naming it, for anything else."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({os_cause(error)})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict | None):
        raise InputError(f"{path}: must hold keys and values, as in `epochs: 40`")
    return values or {}


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set one value. A dot leads into a section; in a list, a number or `*` for all: `stages.*.epochs=3`.

    Raises InputError for an override of another form, or that leads nowhere.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"{override!r} is not of the form key=value, such as batch_size=8")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        raise InputError(f"{override!r}: the value is not YAML") from None
    *sections, last = key.split(".")
    found: list[Any] = [values]
    for section in sections:
        found = [inner for each in found for inner in _inside(each, section, override)]
    for each in found:
        if isinstance(each, list):
            for index in _indices(each, last, override):
                each[index] = value
        else:
            each[last] = value


def _inside(values: Any, section: str, override: str) -> list[Any]:
    if isinstance(values, list):
        found = [values[index] for index in _indices(values, section, override)]
    else:
        found = [values.setdefault(section, {})]
    if not all(isinstance(inner, dict | list) for inner in found):
        raise InputError(f"{override!r}: {section} is a single value, not a section")
    return found


def _indices(values: list[Any], section: str, override: str) -> range:
    if section == "*":
        return range(len(values))
    if not section.isdigit() or int(section) >= len(values):
        allowed = ", ".join(str(index) for index in range(len(values)))
        raise InputError(f"{override!r}: {section!r} is no index of the list; there are {allowed}, or * for all")
    return range(int(section), int(section) + 1)


def build(cls: type[T], values: Any, where: str) -> T:
    """Make a configuration of a mapping; every section, and list of sections, likewise.

    Raises InputError for an unknown or missing key, or a value that is not allowed; `where` names the section.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: a section of keys and values is wanted, got {values!r}")
    refuse_unknown(values, [each.name for each in fields(cls)], where)  # type: ignore[arg-type]
    types = get_type_hints(cls)
    converted = {key: _convert(types[key], value, f"{where}, {key}") for key, value in values.items()}
    try:
        return cls(**converted)
    except (StrictDataclassError, InputError) as error:
        raise InputError(f"{where}: {_wrong_type(error, types, converted) or error.__cause__ or error}") from None
    except TypeError as error:
        raise InputError(f"{where}: {str(error).rpartition('__init__() ')[2]}") from None


_NAMES_OF_TYPES: Final[dict[Any, str]] = {
    int: "a whole number, such as 3", float: "a number, such as 0.5", bool: "true or false", str: "a text",
    NoneType: "null",
}  # fmt: skip


def _wrong_type(error: Exception, types: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
    """Name the key, the types that it may have, and its value; None for an error of another kind."""
    field = re.match(r"Validation error for field '(\w+)'", str(error))
    if field is None or not isinstance(error.__cause__, TypeError):
        return None
    value, wanted = values[field[1]], types[field[1]]
    allowed = get_args(wanted) if isinstance(wanted, UnionType) else [wanted]
    names = [_NAMES_OF_TYPES.get(each) or (str(each) if get_origin(each) else each.__name__) for each in allowed]
    return f"{field[1]!r} needs {' or '.join(names)}; got {value!r}"


def _convert(wanted: Any, value: Any, where: str) -> Any:
    if isinstance(wanted, type) and is_dataclass(wanted):
        return build(wanted, value, where)
    kind = get_origin(wanted)
    inner = get_args(wanted)[0] if kind in (list, tuple) else None
    if isinstance(inner, type) and is_dataclass(inner) and isinstance(value, list | tuple):
        return kind(build(inner, each, f"{where} {index}") for index, each in enumerate(value))
    return _number(value, wanted)


def build_by_name(what: str, classes: Mapping[str, type[T]], name: object, options: Mapping[str, Any]) -> T:
    """Build the class called `name` with `options`, both given by the user; `what` the classes are is for the error.

    Raises:
        InputError: An unknown name or option; the message lists the known ones and the nearest to what was given. The
            classes raise it themselves for a value out of range.
    """
    if not isinstance(name, str) or name not in classes:
        raise InputError(f"no {what} {name!r}{nearest(name, classes)}; there are {', '.join(classes)}")
    parameters = inspect.signature(classes[name]).parameters.values()
    allowed = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    refuse_unknown(options, allowed, f"{what} {name}")
    return classes[name](**options)


def raise_input_errors(cls: type[T]) -> type[T]:
    """Make a strict dataclass refuse wrong values with InputError."""
    strict_init = cls.__init__

    @wraps(strict_init)
    def init(self: T, *args: Any, **values: Any) -> None:
        try:
            strict_init(self, *args, **values)
        except StrictDataclassError as error:
            raise InputError(str(error.__cause__ or error)) from None

    cls.__init__ = init  # type: ignore[assignment]
    return cls


def require_least(config: object, least: int, *names: str) -> None:
    """Refuse the values of attributes below a bound. Raises InputError."""
    for name in names:
        require(getattr(config, name) >= least, name, f"at least {least}", getattr(config, name))


def require(condition: bool, name: str, allowed: str, value: object) -> None:
    """Raise InputError for an option's value if `condition` is False."""
    if not condition:
        raise InputError(f"{name} must be {allowed}, got {value!r}")


def refuse_unknown(
    values: Mapping[str, Any], allowed: Sequence[str], where: str, elsewhere: Mapping[str, str] | None = None
) -> None:
    """Raise InputError for a key that is not allowed, with those that are and the nearest of them.

    `elsewhere` gives keys of sections with their paths; such a key is the hint.
    """
    for key in values:
        if key not in allowed:
            options = ", ".join(allowed) or "none"
            inside = (elsewhere or {}).get(key)
            hint = f" (did you mean {inside!r}?)" if inside else nearest(key, allowed)
            raise InputError(f"{where}: unknown key {key!r}{hint}; allowed are {options}")


def inner_keys(values: Mapping[str, Any]) -> dict[str, str]:
    """Keys of a recipe's sections, each with the path that an override gives: `epochs` is `stages.*.epochs`."""
    found: dict[str, str] = {}
    for section, inside in values.items():
        parts = [(f"{section}.*", each) for each in inside] if isinstance(inside, list) else [(section, inside)]
        for path, part in parts:
            for key in part if isinstance(part, Mapping) else ():
                found.setdefault(key, f"{path}.{key}")
    return found


def nearest(given: object, known: Iterable[str]) -> str:
    """A hint in brackets at the known name that is most like the given one; empty where none is."""
    close = difflib.get_close_matches(str(given), list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _number(value: Any, wanted: Any) -> Any:
    """YAML reads `1` as an integer and `1e-3` as text where a float is wanted."""
    if float not in (wanted, *get_args(wanted)) or isinstance(value, bool) or not isinstance(value, int | str):
        return value
    try:
        return float(value)
    except (ValueError, OverflowError):
        return value
