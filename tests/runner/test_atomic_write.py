"""Writing a file whole or not at all."""

import pytest

from runner.files import atomic_write


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    for data, held in (("grün\n", "grün\n".encode()), (b"\x00\x01", b"\x00\x01")):
        atomic_write(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == held
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path):
    atomic_write(tmp_path / "file", "old")
    with pytest.raises(TypeError):
        atomic_write(tmp_path / "file", 7)
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
