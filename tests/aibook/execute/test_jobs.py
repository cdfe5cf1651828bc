"""Notebooks are executed apart from each other: what befalls one is told, and the others go on."""

import io
from dataclasses import dataclass

import nbformat
import psutil
import pytest
from rich.console import Console

from aibook.execute.jobs import Job, Outcome, SchedulerUnreachable, execute
from aibook.fingerprint import why_stale
from tests.conftest import ToyHouse, toy_house

GOOD = (
    "import os, subprocess, sys, helpers\n"
    "subprocess.Popen(['sleep', '600'])\n"  # left behind
    "subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < 0.5: pass'])\n"
    "print(PROFILE, SEED, os.environ['OMP_NUM_THREADS'], helpers.__file__)"
)
BIG = "held = b'1' * 300 * 2**20\nimport time\ntime.sleep(60)"


@dataclass
class Run:
    """Outcomes by name, each notebook's content before, what was printed, and the house."""

    outcomes: dict[str, Outcome]
    before: dict[str, bytes]
    printed: str
    house: ToyHouse
    stale: list[str]


@pytest.fixture(scope="session")  # a run for each test process, whichever of the tests it has
def ran(tmp_path_factory):
    """One run of good and bad notebooks, each of which ends in a way of its own."""
    made = {
        "good": [GOOD],
        "failing": ["before = 1", "def f():\n    raise ValueError('no such thing')\nf()", "print('never')"],
        "killed": ["import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"],
        "crashed": ["import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"],
        "slow": ["import time\ntime.sleep(60)"],
        "big": [BIG],
    }
    with pytest.MonkeyPatch.context() as patch:
        toy = toy_house(tmp_path_factory.mktemp("ran") / "house", patch)
        jobs, before = [], {}
        for name, cells in made.items():
            path = toy.notebook(f"cv/{name}", *cells)
            limits = {"timeout": 8.0 if name == "slow" else 100.0, "memory_mb": 250 if name == "big" else 2000}
            jobs.append(Job(path, path, {"PROFILE": "laptop"}, threads=3, **limits))
            before[name] = path.read_bytes()
        printed = io.StringIO()
        outcomes = execute(jobs, workers=6, console=Console(file=printed, width=200))
        assert [outcome.job for outcome in outcomes] == jobs
        named = dict(zip(made, outcomes, strict=True))
        return Run(named, before, printed.getvalue(), toy, why_stale(named["good"].job.output))


def test_each_ends_as_it_ends(ran):
    assert {name: outcome.status for name, outcome in ran.outcomes.items()} == {
        "good": "ok", "failing": "failed", "killed": "killed", "crashed": "failed", "slow": "timeout", "big": "memory",
    }  # fmt: skip


def test_the_good_one_is_written_with_its_stamp(ran):
    outcome = ran.outcomes["good"]
    node = nbformat.read(outcome.job.output, as_version=4)
    assert node.cells[2].outputs[0].text == "laptop 0 3 ./helpers/__init__.py\n"
    stamp = node.metadata.aibook
    assert (stamp.profile, stamp.machine) == ("laptop", outcome.machine)
    assert stamp.keys() >= {"fingerprint", "date", "python", "packages", "cpu_seconds", "wall_seconds", "peak_mb"}
    assert ran.stale == []


def test_the_others_are_as_they_were(ran):
    outcomes, before = ran.outcomes, ran.before
    for name in outcomes.keys() - {"good"}:
        assert outcomes[name].job.output.read_bytes() == before[name]
        assert [path.suffix for path in outcomes[name].job.output.parent.iterdir()] == [".ipynb"] * len(outcomes)


def test_a_failure_has_its_cell_its_source_its_traceback_and_its_log(ran):
    failure = ran.outcomes["failing"].failure
    assert (failure.cell, failure.message) == (3, "ValueError: no such thing")
    assert failure.source.startswith("def f():")
    assert "no such thing" in "\n".join(failure.traceback)
    assert "no such thing" in failure.log.read_text()


def test_a_killed_kernel_is_said_to_be_just_that(ran):
    failure = ran.outcomes["killed"].failure
    assert "killed by the system, most likely because memory ran out" in failure.message
    assert failure.cell == 2
    assert "SIGSEGV" in ran.outcomes["crashed"].failure.message


def test_limits_are_named(ran):
    assert "longer than its 8 seconds" in ran.outcomes["slow"].failure.message
    assert "more than its 250 MB" in ran.outcomes["big"].failure.message
    assert ran.outcomes["big"].failure.source == BIG


def test_cost_is_measured_with_that_of_children(ran):
    good, slow, big = (ran.outcomes[name] for name in ("good", "slow", "big"))
    assert 0.5 < good.cpu_seconds < 20
    assert 20 < good.peak_mb < 250
    assert slow.cpu_seconds > 0
    assert slow.wall_seconds >= 8
    assert big.peak_mb > 250


def test_nothing_is_left_behind(ran):
    left = [
        p
        for p in psutil.process_iter(["environ"])
        if (p.info["environ"] or {}).get("JUPYTER_RUNTIME_DIR", "").startswith(str(ran.house.root))
    ]
    assert left == []
    assert list((ran.house.root / "_build" / "run").iterdir()) == []


def test_progress_is_told_in_plain_lines_where_there_is_no_terminal(ran):
    lines = ran.printed.splitlines()
    assert "cv/good: started" in lines
    assert any(line.startswith("cv/slow: timeout, ") for line in lines)


def test_parameters_are_injected_where_they_differ(toy):
    path = toy.notebook("a", "print(PROFILE, SEED)")
    into = toy.root / "elsewhere" / "a.ipynb"
    (outcome,) = execute([Job(path, into, {"PROFILE": "smoke", "SEED": 0})])
    assert outcome.status == "ok"
    node = nbformat.read(into, as_version=4)
    assert [cell.id for cell in node.cells].count("injected-parameters") == 1
    assert node.cells[-1].outputs[0].text == "smoke 0\n"
    assert node.metadata.aibook.profile == "smoke"
    assert "aibook" not in nbformat.read(path, as_version=4).metadata


def test_a_users_kernel_and_settings_are_not_used(toy, tmp_path, monkeypatch):
    data = tmp_path / "jupyter"
    spec = data / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "stray", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(data))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(data))
    (tmp_path / "startup.py").write_text("SEED = 'from the user'")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    path = toy.notebook("a", "import os, sys\nprint(sys.prefix, SEED, 'nonsense' in os.environ['MPLBACKEND'])")
    (outcome,) = execute([Job(path, path)])
    assert outcome.status == "ok", outcome.failure
    assert nbformat.read(path, as_version=4).cells[-1].outputs[0].text == ".venv 0 False\n"


def test_a_dask_cluster_executes_them_too(toy):
    from distributed import LocalCluster

    good, bad = toy.notebook("good", "1 + 1"), toy.notebook("bad", "1 / 0")
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        outcomes = execute([Job(good, good), Job(bad, bad)], scheduler=cluster.scheduler_address)
    assert [outcome.status for outcome in outcomes] == ["ok", "failed"]
    assert why_stale(good) == []


def test_a_scheduler_that_does_not_answer_is_named(toy, monkeypatch):
    from distributed import Client

    monkeypatch.setattr("distributed.Client", lambda address, timeout: Client(address, timeout=0.2))
    path = toy.notebook("a", "1")
    with pytest.raises(SchedulerUnreachable, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        execute([Job(path, path)], scheduler="tcp://127.0.0.1:9")


def test_no_jobs_no_outcomes():
    assert execute([]) == []
