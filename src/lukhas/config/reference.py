"""The reference of all settings, made from the settings themselves.

`python -m lukhas.config.reference > docs/reference/settings.md` writes it.
"""

import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from lukhas.config.addresses import Address
from lukhas.config.rendering import render_value
from lukhas.config.schema import ListLeaf, kinds, leaves
from lukhas.config.settings import Settings
from lukhas.config.sizes import format_size
from lukhas.config.texts import FLAG_PATHS, variable_name

__all__ = ("settings_reference",)

_INTRODUCTION = """\
# Settings

Written by `python -m lukhas.config.reference`; change the descriptions there, not here.

Settings come from flags, from one TOML or YAML file and from environment variables. Flags win over
the file, the file wins over the environment. Tables are merged key by key; a list replaces a list.
Durations end in `_s` and are seconds. Sizes end in `_bytes` and may be written like `"64KiB"`,
`"10MiB"` or `"2GiB"`. A limit is written like `"60/minute"`, several like `"60/minute; 1000/hour"`.
In the environment, lists and tables are JSON, and `null` is no value. `LUKHAS_UPSTREAM` is short
for `LUKHAS_UPSTREAM__URL`, `upstream = "URL"` for `upstream.url`; `LUKHAS_CONFIG` names the file.

`lukhas check FILE` tells what is wrong with a file, `lukhas config show` what is in effect.
"""
_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def settings_reference() -> str:
    """The whole page, as Markdown."""
    lines = [_INTRODUCTION]
    plain = [leaf for leaf in leaves() if not isinstance(leaf, ListLeaf)]
    sections = list(dict.fromkeys(leaf.path[:-1] for leaf in plain))
    for section in sections:
        lines += [f"## {_title(section)}", ""]
        lines += [f"{_section_at(section).__doc__}\n"] if section else []
        lines += ["| setting | takes | default | environment, flag | |", "|---|---|---|---|---|"]
        lines += [
            _row(leaf.path, leaf.info, _other_names(leaf.path))
            for leaf in plain
            if leaf.path[:-1] == section
        ]
        lines.append("")
    for leaf in leaves():
        if isinstance(leaf, ListLeaf):
            lines += [*_list_section(leaf), ""]
            lines += _tables_within(leaf)
    return "\n".join(lines).rstrip() + "\n"


def _title(section: tuple[str, ...]) -> str:
    return f"`{'.'.join(section)}`" if section else "At the top"


def _list_section(leaf: ListLeaf) -> Iterator[str]:
    path = ".".join(leaf.path)
    yield f"## `{path}[]`\n"
    yield f"{leaf.section.__doc__} A list of tables; as JSON in `{variable_name(leaf.path)}`.\n"
    yield "| key | takes | default | |"
    yield "|---|---|---|---|"
    for name, info in leaf.section.model_fields.items():
        yield _row((name,), info, None)


def _tables_within(leaf: ListLeaf) -> Iterator[str]:
    """The tables that an item may hold and usually does not; others have a section elsewhere."""
    for name, info in leaf.section.model_fields.items():
        for kind in kinds(info.annotation):
            is_table = isinstance(kind, type) and issubclass(kind, BaseModel)
            if is_table and info.default is None:
                yield f"### `{'.'.join(leaf.path)}[].{name}`\n"
                yield f"{kind.__doc__}\n"
                yield "| key | takes | default | |"
                yield "|---|---|---|---|"
                for key, each in kind.model_fields.items():
                    yield _row((key,), each, None)
                yield ""


def _row(path: tuple[str, ...], info: FieldInfo, names: str | None) -> str:
    cells = [f"`{'.'.join(path)}`", _takes(info), _default(path, info)]
    if names is not None:
        cells.append(names)
    cells.append(info.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _other_names(path: tuple[str, ...]) -> str:
    flags = [flag for flag, paths in FLAG_PATHS.items() if path in paths]
    return ", ".join(f"`{name}`" for name in (variable_name(path), *flags))


def _takes(info: FieldInfo) -> str:
    return " or ".join(_kind(kind) for kind in kinds(info.annotation))


def _kind(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_kind(kinds(get_args(kind)[0])[0])}"
    if get_origin(kind) is dict:
        return f"table of {_kind(kinds(get_args(kind)[1])[0])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    if kind is Address:
        return "HOST:PORT"
    if kind is SecretStr:
        return "text, secret"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "table"
    return _TYPES.get(kind, "path")


def _default(path: tuple[str, ...], info: FieldInfo) -> str:
    if info.is_required():
        return "must be given"
    if info.default_factory is not None or isinstance(info.default, BaseModel):
        return "see right"
    if path[-1].endswith("_bytes") and info.default:
        return f"`{format_size(info.default)}`"
    return f"`{render_value(info.default)}`"


def _section_at(path: tuple[str, ...]) -> type[BaseModel]:
    value: BaseModel = Settings()
    for name in path:
        value = getattr(value, name)
    return type(value)


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
