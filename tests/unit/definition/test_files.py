# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions in files, and files that are none."""

from __future__ import annotations

import os

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.definition.errors import DefinitionError
from ansible_collections.dockyard.svc.plugins.module_utils.definition.files import left_out, parse_ini, read_directory
from ansible_collections.dockyard.svc.plugins.module_utils.definition.parse import parse_all

INI = "[DEFAULT]\napp = APP1\n# a note\n[container#0]\nimage = i\nrun_args = -e A=50%\n  -p 80:80\n"
JSON = '{"app": "APP1", "container#0": {"image": "i", "run_args": ["-e", "A=50%", "-p", "80:80"]}}'
YAML = "app: APP1\ncontainer#0:\n  image: i\n  run_args: -e A=50% -p 80:80\n"


def write(folder, files):
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder)


@pytest.mark.parametrize(
    ("ending", "text"),
    [("conf", INI), ("env", INI), ("json", JSON), ("yml", YAML), ("yaml", YAML), ("conf", "\ufeff" + INI)],
)
@pytest.mark.parametrize("path", ["svc1", "app1-prd/svc1", "docker.example.com"])
def test_one_definition_in_every_format(tmp_path, ending, text, path):
    raw = read_directory(write(tmp_path, {"%s.%s" % (path, ending): text}))
    service = parse_all(raw, "n1")[path]
    assert service.values["app"] == "APP1"
    assert service.resources[0].values["run_args"] == ["-e", "A=50%", "-p", "80:80"]


def test_what_is_no_definition_is_left_alone(tmp_path):
    files = {
        "a.conf": INI,
        "README.md": "x",
        ".hidden.conf": "x",
        ".git/x.conf": "x",
        "ns/b.yml": YAML,
        "ns/deep/c.yml": "x",
        "a.conf~": "x",
    }
    assert sorted(read_directory(write(tmp_path, files))) == ["a", "ns/b"]


def test_what_looks_like_a_definition_and_is_none_is_told(tmp_path):
    files = [
        "a.conf",
        "a.ini",
        "README.md",
        ".x.ini",
        "ns/b.yml",
        "ns/c.ini",
        "ns/deep/c.yml",
        "ns/deep/notes.md",
        ".git/x/c.conf",
    ]
    folder = write(tmp_path, dict.fromkeys(files, ""))
    assert left_out(folder) == ["a.ini", "ns/c.ini", "ns/deep/c.yml"]


BROKEN = [
    ("a.conf", "image = i\n", "no section headers. file: 'a.conf', line: 1"),
    ("a.conf", "[container#0]\nimage = a\nimage = b\n", "already exists"),
    ("a.conf", "[container#0]\nimage = a\n[container#0]\n", "already exists"),
    ("a.conf", "[container#0]\nimage\n", "cannot be read"),
    ("a.conf", b"\xff\xfe\x00", "cannot be read"),
    ("a.json", "{", "cannot be read"),
    ("a.json", "[]", "must hold a mapping"),
    ("a.json", '{"container#0": {}, "container#0": {}}', "'container#0' stands there twice"),
    ("a.json", "[" * 100000, "nested too deep"),
    ("a.json", "", "cannot be read"),
    ("a.yml", "a: [", "cannot be read"),
    ("a.yml", "a: b: c", "cannot be read"),
    ("a.yml", "- a", "must hold a mapping"),
    ("a.yml", "", "must hold a mapping"),
    ("a.yml", "container#0: {image: a}\ncontainer#0: {image: b}\n", "'container#0' stands there twice"),
    ("a.yml", "container#0: {image: a, image: b}\n", "'image' stands there twice"),
    ("a.yml", "a: !!python/object/apply:os.system [id]", "cannot be read"),
    ("a.yml", "a: 2024-13-45", "cannot be read"),
    ("a.yml", "? [a]\n: b", "cannot be read"),
    ("a.yml", "a: " + "[" * 500 + "]" * 500, "nested too deep"),
]


@pytest.mark.parametrize(("name", "text", "sentence"), BROKEN)
def test_files_that_cannot_be_read_are_named(tmp_path, name, text, sentence):
    folder = write(tmp_path, {name: text, "good.conf": INI})
    with pytest.raises(DefinitionError) as caught:
        read_directory(folder)
    message = str(caught.value)
    assert message.startswith("a: ") and os.path.join(folder, name) in message
    assert sentence in message
    assert message.isprintable()


def test_a_service_that_is_defined_twice(tmp_path):
    with pytest.raises(DefinitionError) as caught:
        read_directory(write(tmp_path, {"n/a.conf": INI, "n/a.yml": YAML}))
    for fragment in ["n/a: is defined twice", "a.conf", "a.yml"]:
        assert fragment in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DefinitionError, match="dockyard_services_dir"):
        read_directory(str(tmp_path / "nowhere"))


def test_a_link_shows_nothing_of_a_file_elsewhere(tmp_path):
    elsewhere = write(tmp_path / "elsewhere", {"passwords": "root:hunter2\n"})
    folder = write(tmp_path / "services", {"a.conf": INI})
    os.symlink(os.path.join(elsewhere, "passwords"), os.path.join(folder, "b.conf"))
    with pytest.raises(DefinitionError, match="leads out of the folder") as caught:
        read_directory(folder)
    assert "hunter2" not in str(caught.value)


def test_links_inside_and_a_linked_folder_are_fine(tmp_path):
    folder = write(tmp_path / "services", {"a.conf": INI})
    os.symlink("a.conf", os.path.join(folder, "b.conf"))
    os.symlink(folder, str(tmp_path / "link"))
    assert sorted(read_directory(str(tmp_path / "link"))) == ["a", "b"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling"])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path, kind):
    file = str(tmp_path / "a.conf")
    {
        "pipe": lambda: os.mkfifo(file),
        "folder": lambda: os.mkdir(file),
        "dangling": lambda: os.symlink("nowhere", file),
    }[kind]()
    if kind == "folder":
        assert read_directory(str(tmp_path)) == {}
        return
    with pytest.raises(DefinitionError, match="not a regular file"):
        read_directory(str(tmp_path))


@pytest.mark.parametrize(
    "name", ["a b.conf", "-v.conf", "A.conf", "a\nb.conf", "a;id.yml", "x" * 41 + ".conf", "..a.json/x.conf"]
)
def test_a_hostile_file_name_is_no_service(tmp_path, name):
    folder = write(tmp_path, {name: INI if name.endswith("conf") else YAML})
    with pytest.raises(DefinitionError) as caught:
        parse_all(read_directory(folder) or {"..": {}}, "n1")
    assert "is not a service path" in str(caught.value)
    assert str(caught.value).isprintable()


def test_ini_text_is_taken_as_it_stands():
    assert parse_ini("[A]\nKey = %(x)s ; not a note = 1\nempty =\n") == {
        "A": {"Key": "%(x)s ; not a note = 1", "empty": ""}
    }
