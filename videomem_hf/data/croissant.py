"""Croissant metadata of a prepared dataset repository: what its files hold, for tools that do not know it.

Croissant is schema.org's description of data sets for machine learning, version 1.0 of MLCommons.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa

from videomem_hf.schema import VIDEO

CROISSANT: Final = "croissant.json"
"""Beside the card."""
_PARQUET: Final = "application/x-parquet"
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            "citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes",
            "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
            "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
        )
    },
}  # fmt: skip
"""The one that Croissant 1.0 gives."""


def render_croissant(
    about: Mapping[str, str], shards: Mapping[str, Mapping[str, Any]], schemas: Mapping[str, pa.Schema]
) -> str:
    """Write the description.

    Args:
        about: `name`, `description`, `license` and, where it is known, `citeAs`.
        shards: Path of each Parquet file to its `sha256`, `bytes`, `config` and `split`.
        schemas: Configuration to the columns of its files.

    Columns whose values are nested deeper than a list, such as the features of single frames, have no type in Croissant
    and are named in the description of their configuration.
    """
    files = [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": path,
            "contentSize": f"{shard['bytes']} B",
            "encodingFormat": _PARQUET,
            "sha256": shard["sha256"],
        }
        for path, shard in sorted(shards.items())
    ]
    records = [
        _record_set(path, shard["config"], shard["split"], schemas[shard["config"]])
        for path, shard in sorted(shards.items())
    ]
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        **about,
        "distribution": files,
        "recordSet": records,
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _record_set(path: str, config: str, split: str, schema: pa.Schema) -> dict[str, Any]:
    """The rows of one file."""
    name = path.removesuffix(".parquet")
    fields = {column.name: _field(name, path, column) for column in schema}
    untyped = [column for column, field in fields.items() if field is None]
    more = f" Without a type here: {', '.join(untyped)}." if untyped else ""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Configuration {config}, split {split}.{more}",
        "field": [field for field in fields.values() if field is not None],
    }


def _field(record_set: str, path: str, column: pa.Field) -> dict[str, Any] | None:
    kind, repeated = column.type, False
    if any(is_list(kind) for is_list in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)):
        kind, repeated = kind.value_type, True
    source: dict[str, Any] = {"fileObject": {"@id": path}, "extract": {"column": column.name}}
    if column.name == VIDEO and pa.types.is_struct(kind):
        data_type, source["transform"] = "sc:VideoObject", {"jsonPath": "bytes"}
    else:
        found = next((name for is_it, name in _TYPES if is_it(kind)), None)
        if found is None:
            return None
        data_type = found
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "dataType": data_type,
        **({"repeated": True} if repeated else {}),
        "source": source,
    }


_TYPES: Final[Iterable[tuple[Any, str]]] = (
    (pa.types.is_boolean, "sc:Boolean"),
    (pa.types.is_integer, "sc:Integer"),
    (pa.types.is_floating, "sc:Float"),
    (pa.types.is_string, "sc:Text"),
    (pa.types.is_large_string, "sc:Text"),
)
