"""Which Detectron2 is there is read off its files."""

import json
import subprocess
import sys

from aibook.detectron2 import COMMIT, here


def put(site, version="0.6", marker=None, commit=None):
    folder = site / "detectron2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f'# no import\n__version__ = "{version}"\n')
    if marker:
        (folder / here.MARKER).write_text(json.dumps(marker))
    if commit:
        (info := site / "detectron2-0.6.dist-info").mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: detectron2\nVersion: 0.6\n")
        noted = {"url": "u", "vcs_info": {"vcs": "git", "commit_id": commit}}
        (info / "direct_url.json").write_text(json.dumps(noted))
    return site


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert here.find(tmp_path) is None
    (tmp_path / "detectron2").mkdir()  # somebody's empty folder is no package
    assert here.find(tmp_path) is None


def test_the_official_one_the_package_and_another_are_told_apart(tmp_path):
    official = here.find(put(tmp_path / "a", commit=COMMIT))
    assert str(official) == f"0.6, built from its official source (commit {COMMIT[:7]})" and not official.checksum
    package = here.find(put(tmp_path / "b", "0.7.2", marker={"origin": "a package", "sha256": "12"}))
    assert str(package) == "0.7.2, a package" and package.checksum == "12"
    assert here.find(put(tmp_path / "c")).origin == f"installed in {tmp_path / 'c' / 'detectron2'}"


def test_it_is_found_where_python_would_import_it_and_not_imported_for_that(tmp_path):
    put(tmp_path, "9.9")
    program = "import sys; from aibook.detectron2 import here; print(here.find().version, 'detectron2' in sys.modules)"
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    ran = subprocess.run([sys.executable, "-c", path + program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["9.9", "False"]
