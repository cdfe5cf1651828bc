"""The wheel that the set-up cell installs."""

import zipfile

import pytest

from aibook import house
from aibook.editions import setup_cell, wheel


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return wheel.build(tmp_path_factory.mktemp("wheel"))


def test_it_is_called_what_the_set_up_cell_asks_for(built):
    assert f"/wheels/{built.name}" in setup_cell.source()


def test_it_holds_every_source_and_data_file_of_the_packages(built):
    names = set(zipfile.ZipFile(built).namelist())
    wanted = {
        path.relative_to(house.ROOT).as_posix()
        for package in ("helpers", "aibook")
        for suffix in ("*.py", "*.toml", "*.json")
        for path in (house.ROOT / package).rglob(suffix)
    }
    assert "helpers/data/registry.toml" in wanted
    assert wanted <= names


def test_it_holds_nothing_else(built):
    names = zipfile.ZipFile(built).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"helpers", "aibook", f"ai_applications_book-{setup_cell.version()}.dist-info"}
    assert not [name for name in names if "__pycache__" in name]


def test_it_is_the_same_each_time(built, tmp_path):
    assert wheel.build(tmp_path).read_bytes() == built.read_bytes()


def test_its_dependencies_let_pip_keep_what_colab_has(built):
    archive = zipfile.ZipFile(built)
    metadata = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    required = [line.removeprefix("Requires-Dist: ") for line in metadata.splitlines() if line.startswith("Requires-D")]
    assert {"torch", "torchvision", "numpy"} <= set(required)  # named without a bound
