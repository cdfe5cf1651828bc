"""What is made once from a data set's files: whole or absent, and made again only when it has to be."""

import pytest

from helpers.data.converted import converted


def test_it_is_made_once_and_again_when_its_source_or_its_version_changes(tmp_path):
    (tmp_path / "source.bin").write_bytes(b"four")
    made = []

    def build(into):
        made.append(into)
        (into / "copy.bin").write_bytes((tmp_path / "source.bin").read_bytes())

    for _ in range(2):
        place = converted(tmp_path, "copy", build)
        assert place == tmp_path / "copy" and (place / "copy.bin").read_bytes() == b"four"
    assert len(made) == 1
    (tmp_path / "source.bin").write_bytes(b"longer")
    assert (converted(tmp_path, "copy", build) / "copy.bin").read_bytes() == b"longer"
    assert len(made) == 2
    converted(tmp_path, "copy", build, version=2)
    assert len(made) == 3
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".work")]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_an_interrupted_conversion_leaves_nothing_and_keeps_what_was(tmp_path, interruption):
    (tmp_path / "source.bin").write_bytes(b"four")
    old = converted(tmp_path, "copy", lambda into: (into / "a").write_text("old"))

    def break_off(into):
        (into / "half").touch()
        raise interruption

    with pytest.raises(interruption):
        converted(tmp_path, "copy", break_off, version=2)
    assert (old / "a").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "copy", "source.bin"]
