"""Writing a file whole or not at all."""

import pytest

from runner.files import atomic_write, file_name


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


@pytest.mark.parametrize("text", ["../../etc/passwd", "..", ".", "", "a/b", "a\\b", "/", "-rf", "\x00", "é", "\ud800", "x" * 500])
def test_a_file_s_name_can_t_leave_its_folder(text):
    name = file_name(text)
    assert name and "/" not in name and "\\" not in name and not name.startswith((".", "-")) and len(name) <= 80


def test_texts_that_look_alike_as_files_names_are_told_apart():
    texts = ["orin", "a/b", "a:b", "A b", "板一", "板二", "x" * 90, "x" * 91]
    names = [file_name(text, texts) for text in texts]
    assert len({name.lower() for name in names}) == len(texts) and names[0] == "orin"
    assert file_name("a/b", ["a/b", "orin"]) == "a-b"
