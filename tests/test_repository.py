"""The house rules: style, imports, addresses, the lock, the environment file, workflows, and what may be tracked."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aibook import house
from aibook.doctor import BROWSERS

ROOT = house.ROOT
BIN = Path(sys.executable).parent
MEGABYTE = 2**20
MAIN_PACKAGES = (
    "jupyter-book",
    "nbval",
    "papermill",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "transformers",
    "gymnasium",
)
# Joined here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("anaconda", "org"),
        ("download", "pytorch", "org"),
    )
]
LOCKED_FOR = {
    "python_full_version": "3.11.9", "python_version": "3.11", "implementation_name": "cpython", "os_name": "posix",
    "platform_machine": "x86_64", "platform_python_implementation": "CPython", "platform_system": "Linux",
    "sys_platform": "linux",
}  # fmt: skip


@cache
def tracked() -> list[Path]:
    """Files that git tracks, or would with `git add --all`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


@cache
def text(path: Path) -> str:
    """A file's text; empty for what is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def containing(pattern: str) -> list[str]:
    """Tracked files in which the regular expression is found, with its first find."""
    found = ((path, re.search(pattern, text(path))) for path in tracked())
    return [f"{path.relative_to(ROOT)}: {match[0]}" for path, match in found if match]


def run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)


@cache
def lock() -> dict[str, str]:
    """Package → version, as the lock gives it for Python 3.11 on Linux."""
    lines = re.findall(r"^[a-z0-9][^\s]*==[^\\\n]*", text(house.LOCK), re.MULTILINE)
    requirements = [Requirement(line.strip()) for line in lines]
    kept = [r for r in requirements if r.marker is None or r.marker.evaluate(LOCKED_FOR)]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in kept}


@cache
def project() -> dict:
    return tomllib.loads(text(ROOT / "pyproject.toml"))


# -- style and imports -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "command", [("check", "--output-format=concise"), ("format", "--check", "--quiet")], ids=["lint", "format"]
)
def test_the_code_has_the_house_style(command):
    done = run(BIN / "ruff", *command, ".")
    assert done.returncode == 0, f"{done.stdout}\nMend it: ruff check --fix . && ruff format ."


def test_imports_keep_the_rules_of_the_house():
    done = run(BIN / "lint-imports", "--no-logo", "--no-cache")
    assert done.returncode == 0, done.stdout


def test_notebooks_never_import_the_workshop():
    notebooks = house.notebooks()
    assert notebooks
    code = {p.stem: [c.source for c in nbformat.read(p, 4).cells if c.cell_type == "code"] for p in notebooks}
    assert not [
        p for p, cells in code.items() if re.search(r"^\s*(import|from) aibook\b", "\n".join(cells), re.MULTILINE)
    ]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("aibook.cli", {"torch", "numpy", "helpers", "sphinx", "nbformat"}), ("helpers.data", {"torch", "numpy"})],
)
def test_what_has_to_answer_at_once_loads_nothing_heavy(module, heavy):
    done = run(sys.executable, "-c", f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})")
    assert done.returncode == 0, done.stderr
    assert not heavy & set(done.stdout.split())


# -- files -------------------------------------------------------------------------------------------------------------
def test_no_tracked_file_is_large():
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked()}
    large = {name: size for name, size in sizes.items() if size > 3 * MEGABYTE}
    assert not large


def test_no_tracked_file_names_a_registry_host():
    assert not containing("|".join(rf"\b{re.escape(host)}\b" for host in REGISTRY_HOSTS))


def test_no_tracked_file_names_a_place_on_some_machine():
    places = {str(Path.home()), str(ROOT)} - {"/"}
    assert not containing("|".join(rf"(?<![\w.\-~]){re.escape(place)}/" for place in places))


def test_notebooks_are_valid():
    for path in house.notebooks():
        nbformat.validate(json.loads(text(path)), relax_add_props=True)


# -- addresses ---------------------------------------------------------------------------------------------------------
def test_the_addresses_stand_in_the_configuration_alone():
    """The front pages link to the site, and a notebook's set-up cell is written from the configuration."""
    allowed = {ROOT / name for name in ("_config.yml", "README.md", "README.zh-CN.md")}
    addresses = (house.repository_url(), house.site_url())
    repeated = []
    for path in set(tracked()) - allowed:
        content = text(path)
        if path.suffix == ".ipynb":
            cells = nbformat.reads(content, 4).cells
            content = "\n".join(c.source for c in cells if "setup" not in c.metadata.get("tags", []))
        if any(address in content for address in addresses):
            repeated.append(str(path.relative_to(ROOT)))
    assert not repeated, "take the address from aibook.house"


# -- the lock and what follows it --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-site.txt"])
def test_the_lock_has_hashes_and_no_addresses(name):
    content = text(ROOT / name)
    assert "://" not in content
    assert "--index-url" not in content
    entries = re.split(r"\n(?=[a-z0-9])", content.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_site_needs_no_torch():
    assert not re.search(r"^(torch|torchvision|numpy|nvidia-\S+)==", text(ROOT / "requirements-site.txt"), re.MULTILINE)


def test_environment_yml_has_the_versions_of_the_lock():
    groups = project()["dependency-groups"].values()
    direct = sorted({canonicalize_name(Requirement(line).name) for group in groups for line in group} - {"pip"})
    expected = {f"{name}=={lock()[name]}" for name in direct}
    environment = yaml.safe_load(text(ROOT / "environment.yml"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    lines = "\n".join(f"      - {line}" for line in sorted(expected))
    assert set(pip) == expected, f"environment.yml should have:\n{lines}"
    assert "python=3.11" in environment["dependencies"]


def test_environment_yml_names_the_books_main_packages():
    content = text(ROOT / "environment.yml")
    assert [package for package in MAIN_PACKAGES if not re.search(rf"^ +- {package}==", content, re.MULTILINE)] == []
    source = "git+https://github.com/facebookresearch/detectron2"
    assert source in content and source in text(ROOT / "postBuild")


def test_binder_finds_the_environment():
    """Binder ignores environment.yml and postBuild at the root as soon as one of these folders exists."""
    assert not (ROOT / "binder").exists() and not (ROOT / ".binder").exists()
    assert os.access(ROOT / "postBuild", os.X_OK)


def test_the_citation_is_valid_and_of_this_version():
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.citation-file-format", "CITATION.cff")
    assert done.returncode == 0, done.stdout
    assert yaml.safe_load(text(ROOT / "CITATION.cff"))["version"] == project()["project"]["version"]


def test_the_licences_are_there_in_full():
    assert "Redistribution and use in source and binary forms" in text(ROOT / "LICENSE")
    text_licence = text(ROOT / "LICENSE-TEXT")
    assert "Attribution 4.0 International" in text_licence and "Section 8 – Interpretation" in text_licence


# -- make -------------------------------------------------------------------------------------------------------------
STUBS = {
    "old": "#!/bin/sh\nexit 1\n",
    "python": '#!/bin/sh\n[ "$*" = "-m pip config get global.index-url" ] && echo "${PIP_MIRROR:?}"\n',
    "uv": '#!/bin/sh\necho "$UV_DEFAULT_INDEX: $*"\n',
    "aibook": '#!/bin/sh\necho "aibook $*"\n',
}


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """`make` in a copy of what it reads, with stubs for Python and uv in its environment."""
    unset = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "GOAL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in unset} | variables
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path):
    for name in ("requirements.txt", "requirements-site.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path


def stub(path: Path, name: str) -> Path:
    path.write_text(STUBS[name])
    path.chmod(0o755)
    return path


def with_uv(checkout: Path) -> Path:
    for name in ("python", "uv", "aibook"):
        stub(checkout / ".venv" / "bin" / name, name)
    return checkout


@pytest.mark.parametrize("goal", ["book", "test"])
def test_an_old_or_missing_python_is_told_with_the_command_to_try(checkout, goal):
    old = make(checkout, goal, f"PYTHON={stub(checkout / 'python3.9', 'old')}")
    assert old.returncode and f"is older. Try: make {goal} PYTHON=python3.12" in old.stdout
    missing = make(checkout, goal, "PYTHON=no-such-python")
    assert missing.returncode and "There is no no-such-python here" in missing.stdout
    assert f"make {goal} PYTHON=python3.12" in missing.stdout


def test_a_new_lock_in_a_full_environment_takes_nothing_out_of_it(checkout):
    venv = with_uv(checkout) / ".venv"
    first = make(checkout, "site-environment", PIP_MIRROR="m")
    assert "requirements-site.txt" in first.stdout and "requirements.txt" not in first.stdout
    (venv / ".installed-all").touch()
    for lock_file in ("requirements.txt", "requirements-site.txt"):
        os.utime(checkout / lock_file, (later := 2**31 - 1, later))
    again = make(checkout, "site-environment", PIP_MIRROR="m")
    assert "requirements.txt" in again.stdout and "requirements-site.txt" not in again.stdout


def test_everything_includes_detectron2_and_the_site_does_without_it(checkout):
    with_uv(checkout)
    assert "aibook detectron2" not in make(checkout, "site-environment", PIP_MIRROR="m").stdout
    for _ in range(2):  # a download that failed is tried again
        assert "aibook detectron2" in make(checkout, "environment", PIP_MIRROR="m").stdout


def test_the_mirror_that_pip_is_set_to_is_passed_on(checkout):
    with_uv(checkout)
    done = make(checkout, "environment", PIP_MIRROR="the-mirror")
    assert re.search(r"^the-mirror: --quiet pip sync .*requirements\.txt$", done.stdout, re.MULTILINE), done
    (checkout / ".venv" / ".installed-all").unlink()
    done = make(checkout, "environment", PIP_MIRROR="the-mirror", UV_DEFAULT_INDEX="my-own")
    assert re.search(r"^my-own: --quiet pip sync", done.stdout, re.MULTILINE), done
    (checkout / ".venv" / ".installed-all").unlink()
    done = make(checkout, "environment")  # pip has no mirror
    assert re.search(r"^: --quiet pip sync", done.stdout, re.MULTILINE), done


# -- continuous integration --------------------------------------------------------------------------------------------
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_workflows_are_valid(schema):
    done = run(BIN / "check-jsonschema", "--builtin-schema", schema, *WORKFLOWS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_ask_for_little_and_name_the_versions_of_their_actions(path):
    workflow = yaml.safe_load(text(path))
    assert workflow["permissions"] == {"contents": "read"}, "what a job needs beyond reading, the job asks for"
    assert workflow["concurrency"]["group"]
    actions = re.findall(r"uses: (\S+)", text(path))
    assert [action for action in actions if not re.fullmatch(r"actions/[\w-]+@v\d+", action)] == []


@pytest.mark.parametrize("name", ["run", "actionlint", "colab"])
def test_the_scripts_of_ci_can_be_run(name):
    path = ROOT / ".ci" / name
    assert os.access(path, os.X_OK)
    done = run("bash", "-n", path)
    assert done.returncode == 0, done.stderr


def test_ci_looks_for_the_browsers_that_the_doctor_knows():
    """The tests take theirs from the doctor; CI's script runs before Python's packages are there."""
    (names,) = re.findall(r"^command -v (.*chrom.*) >/dev/null", text(ROOT / ".ci" / "run"), re.MULTILINE)
    assert names.split() == list(BROWSERS)


@pytest.mark.parametrize(
    ("logs", "line"),
    [
        (["= 1 failed, 3 passed, 2 warnings in 3.02s =\nmake: *** Error 1", "12 passed, 1 warning in 98.0s (0:01:38)"],
         "1 failed, 15 passed, 3 warnings in 101.02s"),
        (["\x1b[32m= \x1b[1m2 passed\x1b[0m, 1 skipped, 4 subtests passed in 1.00s =\x1b[0m", "1 error in 0.50s"],
         "2 passed, 1 skipped, 1 errors, 4 subtests passed in 1.50s"),
        (["3 passed in 1.0s", "Killed"], None),
    ],
)  # fmt: skip
def test_the_last_line_of_ci_adds_up_both_runs(logs, line):
    spec = importlib.util.spec_from_file_location("summary", ROOT / ".ci" / "summary.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    summed = module.summary(logs)
    assert (summed and summed.strip("= ")) == line
