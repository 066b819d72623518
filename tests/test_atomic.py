"""Files written all or nothing: what stands there keeps its permissions and links, and no fault leaves a trace."""

import os
import stat
import threading

import pytest

from neural_lagrangian._atomic import atomic_write

pytestmark = pytest.mark.bad_input


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_gets_the_permissions_of_any_other(umask, tmp_path):
    before = os.umask(umask)
    try:
        write(tmp_path / "one")
        (tmp_path / "other").write_bytes(b"")
    finally:
        os.umask(before)
    assert mode(tmp_path / "one") == mode(tmp_path / "other") == 0o666 & ~umask


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664])
def test_an_existing_file_keeps_its_permissions(permissions, tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(permissions)
    write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert mode(tmp_path / "file") == permissions


@pytest.mark.parametrize("target", ["elsewhere/target", "elsewhere/absent"])
def test_a_link_stays_one_and_its_target_is_written(target, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(target)
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / target).read_bytes() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"link", "elsewhere"}


def test_the_mask_of_the_process_is_left_alone(tmp_path, monkeypatch):
    """Another thread that makes a file meanwhile would get the wrong permissions."""

    def refused(mask):
        raise AssertionError(mask)

    monkeypatch.setattr(os, "umask", refused)
    write(tmp_path / "file")


def test_a_fault_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    (tmp_path / "file").write_bytes(b"old")

    def half():
        with atomic_write(tmp_path / "file") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_folder_or_a_pipe_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, message in {"folder": "this path is a folder", "pipe": "not a regular file|no regular file"}.items():
        with pytest.raises(OSError, match=message):
            write(tmp_path / name)
    assert (tmp_path / "folder").is_dir()
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is protected against root")
def test_a_protected_file_is_not_replaced(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(PermissionError, match="protected against writing"):
        write(tmp_path / "file")


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "\udcff\udcfe.csv", "a b'\"$x$\n"])
def test_any_name_that_the_system_takes_is_written(name, tmp_path):
    write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"new"


def test_of_several_writers_one_wins_and_none_is_mixed(tmp_path):
    contents = [bytes([i]) * 100_000 for i in range(8)]
    threads = [threading.Thread(target=write, args=(tmp_path / "file", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1
