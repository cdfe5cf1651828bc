"""A kernel that does not answer at its start is started anew; one that fails later is not."""

import pytest

from aibook.execute.worker import _started


def test_a_kernel_that_does_not_answer_is_started_again():
    calls = []

    def execute():
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("Kernel didn't respond in 60 seconds")
        return "done"

    assert _started(execute, lambda: False) == "done"
    assert len(calls) == 3


@pytest.mark.parametrize(("running", "attempts"), [(False, 3), (True, 1)])
def test_it_gives_up_after_three_attempts_and_at_once_when_cells_ran(running, attempts):
    calls = []

    def execute():
        calls.append(1)
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError, match="no answer"):
        _started(execute, lambda: running)
    assert len(calls) == attempts
