# Copyright: dockyard.svc authors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.dockyard.svc.plugins.module_utils.node import files
from ansible_collections.dockyard.svc.plugins.module_utils.node.errors import NodeError, Undetermined


def test_a_link_on_the_way_is_refused_with_the_real_path(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(NodeError, match="is a symbolic link: write the real path"):
        files.check_root_owned(str(tmp_path / "link" / "docker"))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeError, match=r"is not a folder|belongs to user"):
        files.check_root_owned(str(tmp_path / "file"))


@pytest.mark.parametrize("path", ["", ".", "run/dockyard", "../x"])
def test_a_relative_folder_is_refused(path):
    with pytest.raises(NodeError, match="is no absolute path"):
        files.make_folder(path, 0o755)


def test_a_write_is_whole_or_not_there(tmp_path, monkeypatch):
    target = tmp_path / "record.json"
    files.write_whole(str(target), "old")

    def refuse(*_paths):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        files.write_whole(str(target), "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(("content", "value"), [(None, None), ("", None), ("{broken", None), ('{"a": 1}', {"a": 1})])
def test_a_torn_file_is_no_file(tmp_path, content, value):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    assert files.read_json(str(path)) == value


def test_what_cannot_be_read_is_not_absent(tmp_path):
    with pytest.raises(Undetermined):
        files.read_text(str(tmp_path))


def test_nobody_waits_at_a_named_pipe(tmp_path):
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    with pytest.raises(Undetermined, match="not a regular file"):
        files.read_text(pipe)
    with pytest.raises(OSError):
        files.open_log(pipe)
