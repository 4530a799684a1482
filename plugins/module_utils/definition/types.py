# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: other collections use its modules and roles.
"""The types of keyword values. A type turns what was written (text, or a YAML value) into a Python value.

Each converter raises ValueError with a sentence that says what would be right.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from typing import Any, Callable, Dict, List

from .errors import kind_of, quoted
from .requirements import requirements

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]{1,18})\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_GROUP_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/+-]*")
_DEVICE_PATH = re.compile(r"(?:/[A-Za-z0-9_.:@=+~-]+)+")
# Control characters, line and paragraph separators, direction marks (they make a text read as another one), and halves
# of surrogate pairs, which no encoding can write.
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_NOT_IN_TEXT = re.compile(r"[%s\n\r]" % _CONTROL)
_NOT_IN_ARGUMENT = re.compile(r"[%s]" % _CONTROL)
TRUE = ("true", "yes", "on", "1", "y", "t")
FALSE = ("false", "no", "off", "0", "n", "f")


@dataclass(frozen=True)
class Type:
    """One type: its name in the documentation, its converter, and whether unknown `{words}` in it are plain text."""

    name: str
    convert: Callable[[Any], Any]
    free_text: bool = False


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise ValueError("must be a text, not %s" % kind_of(value))
    text = str(value)
    if _NOT_IN_TEXT.search(text):
        raise ValueError("%s holds a line break or a control character" % quoted(text))
    return _short_enough(text)


def _short_enough(text: str) -> str:
    """The kernel takes no argument and no variable of more than 128 KiB, see execve(2)."""
    if len(text.encode()) > 100000:
        raise ValueError("%s is longer than 100000 bytes" % quoted(text))
    return text


def _argument(value: Any) -> str:
    """One command line argument: a script or a certificate in it has line breaks, but no other control characters."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return _text(value)
    text = str(value)
    if _NOT_IN_ARGUMENT.search(text):
        raise ValueError("%s holds a control character" % quoted(text))
    return _short_enough(text)


def _word(value: Any) -> str:
    text = _text(value).strip()
    if not _WORD.fullmatch(text) or len(text) > 255:
        raise ValueError("%s must be one word of letters, digits and _.:@/+-, not beginning with a sign" % quoted(text))
    return _without_dots(text)


def _quoted_word(value: Any) -> str:
    """A word that looks like a number to YAML, which changes it."""
    if isinstance(value, (int, float)):
        raise ValueError(
            "%s must stand in quotes, as it was meant: without them YAML reads 0770 as 504, 1000:50 as 60050 and 1.10 as 1.1; "
            "a variable is written '{{ name | string }}'" % quoted(value)
        )
    return _word(value)


def _without_dots(text: str) -> str:
    if any(part in (".", "..") for part in text.split("/")):
        raise ValueError("%s must not hold the components . or .." % quoted(text))
    return text


def _string(value: Any) -> str:
    text = _text(value).strip()
    if text.startswith("-"):
        raise ValueError("%s must not begin with a sign" % quoted(text))
    return _without_dots(text)


def _boolean(value: Any) -> bool:
    text = _text(value).strip().lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ValueError("%s must be true or false" % quoted(value))


def _duration(value: Any) -> float:
    match = _DURATION.fullmatch(_text(value).strip())
    if not match:
        raise ValueError("%s must be a duration such as 30, 30s, 2m or 1h" % quoted(value))
    seconds = float(match.group(1)) * _SECONDS[match.group(2) or "s"]
    if seconds > 7 * 86400:
        raise ValueError("%s is longer than a week" % quoted(value))
    return seconds


def _size(value: Any) -> int:
    match = _SIZE.fullmatch(_text(value).strip())
    if not match:
        raise ValueError("%s must be a size such as 512m or 10g" % quoted(value))
    return int(match.group(1)) << (10 * " kmgtp".index(match.group(2).lower() or " "))


def _items(value: Any) -> List[str]:
    if isinstance(value, list):
        return [_word(item) for item in value]
    return [_word(item) for item in re.split(r"[,\s]+", _text(value).strip()) if item]


def _paths(value: Any) -> List[str]:
    """Absolute paths, names of devices such as /dev/disk/by-path/pci-0000:00:1f.2 among them."""
    paths = []
    for item in value if isinstance(value, list) else re.split(r"[,\s]+", _text(value).strip()):
        text = _without_dots(_text(item).strip())
        if text and not _DEVICE_PATH.fullmatch(text):
            raise ValueError("%s must be an absolute path of letters, digits and _.:@=+~-" % quoted(text))
        paths += [text] if text else []
    return paths


def _words(value: Any) -> List[str]:
    if isinstance(value, list):
        return [_argument(item) for item in value]
    try:
        return shlex.split(_argument(value))
    except ValueError as error:
        raise ValueError("%s cannot be split as a shell would: %s" % (quoted(value), error)) from error


def _options(value: Any) -> List[str]:
    """Words for a command that takes ports: YAML reads an unquoted 22:22 as a number to the base of sixty."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, (int, float)):
            raise ValueError(
                "%s must stand in quotes: YAML reads 22:22 without quotes as the number 1342" % quoted(item)
            )
    return _words(value)


def _path(value: Any) -> str:
    text = _text(value).strip()
    if not text.startswith("/") or len(text) > 255:
        raise ValueError("%s must be an absolute path of at most 255 characters" % quoted(value))
    _without_dots(text)
    if any(ord(char) < 33 or char in ":,\\\"'" or ord(char) > 126 for char in text):
        raise ValueError("%s must be of printable characters without spaces, quotes, ':', ',' and '\\'" % quoted(value))
    parts = [part for part in text.split("/") if part]
    if not parts:
        raise ValueError("%s is the root of the node: name a folder or file below it" % quoted(value))
    return "/" + "/".join(parts)


def _group_name(value: Any) -> str:
    text = _text(value).strip()
    if not _GROUP_NAME.fullmatch(text):
        raise ValueError("%s is not the name of a Unix group" % quoted(value))
    return text


def _subnet(value: Any) -> str:
    text = _text(value).strip()
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError("%s must be an IPv4 network such as 10.20.30.0/24" % quoted(value)) from error
    if network.prefixlen > 27:
        raise ValueError("%s is too small: /27 is the least" % quoted(value))
    if network.prefixlen < 8:
        raise ValueError("%s is too large: /8 is the most" % quoted(value))
    if (
        network.is_loopback
        or network.is_multicast
        or network.is_link_local
        or network.is_unspecified
        or network.is_reserved
    ):
        raise ValueError("%s is no network for containers: take a private one such as 10.20.30.0/24" % quoted(value))
    return str(network)


def _variables(value: Any) -> Dict[str, str]:
    """Variables as a mapping, a list of NAME=value, or a shell-like string of NAME=value words."""
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise ValueError("%s must stand in quotes: YAML does not read it as a name" % quoted(name))
        pairs = [(str(name), "" if text is None else _argument(text)) for name, text in value.items()]
    else:
        pairs = []
        for word in _words(value):
            name, equals, text = word.partition("=")
            if not equals:
                raise ValueError("%s must be NAME=value" % quoted(word))
            pairs.append((name, text))
    for name, _value in pairs:
        if not _VARIABLE.fullmatch(name):
            raise ValueError("%s is not the name of a variable" % quoted(name))
    return dict(pairs)


STRING = Type("string", _string)
TEXT = Type("text", _text, free_text=True)
WORD = Type("word", _word)
QUOTED_WORD = Type("word", _quoted_word)
BOOLEAN = Type("boolean", _boolean)
DURATION = Type("duration", _duration)
SIZE = Type("size", _size)
ITEMS = Type("list", _items)
WORDS = Type("command line", _words, free_text=True)
OPTIONS = Type("command line", _options, free_text=True)
VARIABLES = Type("variables", _variables, free_text=True)
PATH = Type("path", _path)
PATHS = Type("paths", _paths)
GROUP_NAME = Type("group name", _group_name)
SUBNET = Type("IPv4 network", _subnet)
REQUIREMENTS = Type("requirements", requirements)
