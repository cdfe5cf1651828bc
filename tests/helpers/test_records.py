"""Records and studies as notebooks use them, through a kernel's outputs to the built page."""

import json
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aibook import recordbook
from helpers import records, studies


@pytest.fixture(scope="module")
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell):
    """What a function leaves in the outputs of a code cell."""

    def run(function):
        with capture_output() as captured:
            function()
        assert not captured.stdout
        outputs = [new_output("display_data", output.data, metadata=output.metadata) for output in captured.outputs]
        return new_code_cell("...", outputs=outputs)

    return run


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (93.123456789, 93.1235),
        (7, 7),
        (np.float32(0.5), 0.5),
        (torch.tensor(2.5, dtype=torch.bfloat16), 2.5),
        (torch.tensor(3), 3),
        ([1, 0.5], [1, 0.5]),
        (np.array([0.25, 0.125]), [0.25, 0.125]),
        ([np.float64(1), torch.tensor(0.5)], [1.0, 0.5]),
    ],
)
def test_a_record_is_read_back_as_plain_numbers(cell, value, kept):
    notebook = new_notebook(cells=[cell(lambda: records.record("x", value, "%", "higher"))])
    read = recordbook.read(notebook)
    assert read == {"x": recordbook.Record("x", kept, "%", "higher", "result")}
    assert type(read["x"].value) is type(kept)
    json.dumps(read["x"].value)


def test_of_two_records_by_one_name_the_last_counts(cell):
    cells = [cell(lambda: records.record("x", 1.0)), cell(lambda: records.record("x", 2.0))]
    assert recordbook.read(new_notebook(cells=cells))["x"].value == 2.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan")), [1.0, float("-inf")], []])
def test_what_is_not_finite_is_refused_by_name(value):
    with pytest.raises(ValueError, match="'test_loss'"):
        records.record("test_loss", value)


@pytest.mark.parametrize("value", ["93", True, None, [[1.0]], np.zeros((2, 2))])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(TypeError, match="'x'"):
        records.record("x", value)


@pytest.mark.parametrize("options", [{"better": "more"}, {"kind": "speed"}])
def test_unknown_words_are_refused(options):
    with pytest.raises(ValueError, match="is none of"):
        records.record("x", 1, **options)


@pytest.mark.parametrize("name", ["test accuracy", "1st", "a::b", "a:b", ""])
def test_a_name_that_glue_cannot_find_is_refused(name):
    with pytest.raises(ValueError, match="must be letters"):
        records.record(name, 1)


def test_outside_a_kernel_recording_is_silent_and_imports_nothing():
    code = (
        "import sys; from helpers.records import record; record('x', 1.5)\n"
        "print(sorted({'IPython', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# -- studies -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def study(tmp_path, monkeypatch):
    stored = {
        "notebook": "cv/01-seen",
        "profile": "study",
        "seeds": [0, 1, 2],
        "machine": "EPYC",
        "date": "2026-11-23",
        "cpu_seconds": [1.0, 2.0, 3.0],
        "fingerprint": {},
        "records": {
            "accuracy": {"better": "higher", "kind": "result", "unit": "%", "values": [92.0, 93.0, 94.0]},
            "loss": {"better": "lower", "kind": "result", "unit": "", "values": [[2.0, 1.0], [4.0, 1.0], [6.0, 1.0]]},
        },
    }
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    (tmp_path / "cv-01-seen.study.json").write_text(json.dumps(stored), encoding="utf-8")
    return studies.load("cv/01-seen")


def test_a_study_gives_mean_and_sample_deviation(study):
    assert study.seeds == [0, 1, 2] and study.machine == "EPYC" and study.cpu_seconds == [1.0, 2.0, 3.0]
    assert study.values("accuracy") == [92.0, 93.0, 94.0]
    assert (study.mean("accuracy"), study.sd("accuracy")) == (93.0, 1.0)
    assert (study.mean("loss"), study.sd("loss")) == ([4.0, 1.0], [2.0, 0.0])


def test_an_unknown_record_is_named_beside_those_there_are(study):
    with pytest.raises(KeyError, match="no record 'recall'; it has: accuracy, loss"):
        study.mean("recall")


def test_a_missing_study_names_the_command_that_makes_it(study):
    with pytest.raises(FileNotFoundError, match=r"aibook run --seeds 5 --profile laptop notebooks/cv/01-seen\.ipynb"):
        studies.load("cv/01-seen", profile="laptop")
    assert studies.load("cv/01-seen", profile="laptop", missing_ok=True) is None


def test_the_comparison_puts_the_live_run_beside_the_study(study):
    table = studies.comparison(study, {"ResNet <9>": ("accuracy", 92.51), "not run": ("accuracy", None)})
    assert repr(table).splitlines() == [
        "            this run  mean ± sd (3 seeds)",
        "ResNet <9>    92.5 %         93.0 ± 1.0 %",
        "not run            —         93.0 ± 1.0 %",
    ]
    assert "ResNet &lt;9&gt;" in table._repr_html_() and "93.0 ± 1.0 %" in table._repr_html_()
    assert "no study yet" in repr(studies.comparison(None, {"ResNet": ("accuracy", 92.51)}))


def test_glued_numbers_reach_the_page(cell, study, tmp_path):
    """Built by Sphinx and MyST-NB as the book is: no warning, and each number in its format."""
    text = (
        "Accuracy {glue:text}`accuracy:.1f` %, {glue:text}`images:,d` images, "
        "{glue:text}`accuracy_study_mean:.2f` ± {glue:text}`accuracy_study_sd:.2f` "
        "over {glue:text}`accuracy_study_seeds:d` seeds."
    )
    cells = [
        new_markdown_cell("# Seen"),
        cell(lambda: records.record("accuracy", 93.4567, "%", "higher")),
        cell(lambda: records.record("images", 10000)),
        cell(lambda: study.glue("accuracy")),
        new_markdown_cell(text),
    ]
    source = tmp_path / "source"
    source.mkdir()
    language = {"language_info": {"name": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=language), source / "index.ipynb")
    (source / "conf.py").write_text("extensions = ['myst_nb']\nnb_execution_mode = 'off'\nhtml_theme = 'basic'\n")
    sphinx = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(source), str(tmp_path / "html")]
    done = subprocess.run(sphinx, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    for number in ("93.5", "10,000", "93.00", "1.00", "3"):
        assert f'<span class="pasted-text">{number}</span>' in page
    assert "93.4567" not in page, "a record displays nothing by itself"
