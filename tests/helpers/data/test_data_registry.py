"""The registry itself."""

import re

from helpers.data import entries
from helpers.data.sources import Pip


def test_every_entry_says_all_a_reader_needs():
    for name, entry in entries().items():
        assert re.fullmatch(r"[a-z0-9-]+", name)
        assert entry.title and entry.citation and entry.licence and entry.homepage.startswith("https://")
        assert any(variant.sources for variant in entry.variants)


def test_files_are_told_apart_and_their_checksums_are_checksums():
    for entry in entries().values():
        files = [file for variant in entry.variants for file in variant.files]
        assert len({file.name for file in files}) == len(files)
        for file in files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.size > 0
            assert re.fullmatch(r"[\w.-]+", file.name)  # no folder: the cache is flat


def test_the_best_variant_can_be_had_without_an_own_folder():
    for entry in entries().values():
        assert entry.variants[0].sources


def test_packages_are_pinned():
    for entry in entries().values():
        for variant in entry.variants:
            for source in variant.sources:
                assert not isinstance(source, Pip) or "==" in source.package


def test_a_licence_that_restricts_use_has_a_notice():
    for entry in entries().values():
        assert "NC" not in entry.licence or "non-commercial" in entry.notice
