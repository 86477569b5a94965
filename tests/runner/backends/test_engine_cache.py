"""An engine comes from the cache only as it was kept."""

from runner.backends.tensorrt import cache


def test_a_kept_engine_comes_back_and_a_damaged_one_is_built_anew(tmp_path):
    stem = str(tmp_path / "engine")
    assert cache.kept(stem) == (b"", {})
    cache.keep(stem, b"the engine", {"build_s": 3.0})
    assert cache.kept(stem) == (b"the engine", {"build_s": 3.0})
    (tmp_path / "engine.plan").write_bytes(b"the enginf")
    assert cache.kept(stem) == (b"", {})


def test_an_engine_without_its_hash_as_older_releases_kept_it_is_built_anew(tmp_path):
    (tmp_path / "engine.plan").write_bytes(b"the engine")
    for notes in ("", "{}", "[]", "{"):
        (tmp_path / "engine.json").write_text(notes)
        assert cache.kept(str(tmp_path / "engine")) == (b"", {})
