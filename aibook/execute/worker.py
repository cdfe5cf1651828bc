"""The fresh process in which one notebook is executed: `python -m aibook.execute.worker FOLDER`.

The folder has `source.ipynb` and `parameters.json`; it gets `executed.ipynb`, `result.json`, and while the notebook
runs `progress.json`. Standard input is a pipe that its parent holds: when it closes, the parent is gone, and so is
the reason to go on.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import psutil

OUT_OF_MEMORY = "its kernel was killed by the system, most likely because memory ran out"


def main(folder: Path) -> None:
    tempfile.tempdir = str(folder)  # the kernel's connection file: gone with the folder, however this ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    began = time.monotonic()
    result = _execute(folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    result["wall_seconds"] = time.monotonic() - began
    result["cpu_seconds"] = used.ru_utime + used.ru_stime
    result["peak_mb"] = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def _execute(folder: Path) -> dict:
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    manager = _kernel_manager_class()
    progress = {"cell": 0, "of": 0, "source": ""}
    kernels: list[subprocess.Popen] = []

    def on_notebook_start(notebook):
        progress["of"] = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
        kernels.extend(started.provisioner.process for started in manager.started)

    def on_cell_execute(cell, cell_index):
        progress.update(source=cell.source, cell=progress["cell"] + 1)
        (folder / "progress.json").write_text(json.dumps(progress), encoding="utf-8")

    def execute():
        return papermill.execute_notebook(
            folder / "source.ipynb",
            None,
            json.loads((folder / "parameters.json").read_text(encoding="utf-8")),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stdout,
            cwd=folder / "cwd",
            start_timeout=60,
            iopub_timeout=180,
            kernel_manager_class=manager,
            extra_arguments=["--IPKernelApp.log_level=40"],
            on_notebook_start=on_notebook_start,
            on_cell_execute=on_cell_execute,
        )

    try:
        node = _started(execute, lambda: progress["of"] > 0)
    except PapermillExecutionError as error:
        print("\n".join(error.traceback))
        return {
            "status": "failed",
            "message": f"{error.ename}: {error.evalue}",
            **progress,
            "traceback": error.traceback,
        }
    except DeadKernelError:
        status = kernels[0].returncode if kernels else None
        if status == -signal.SIGKILL:
            return {"status": "killed", "message": OUT_OF_MEMORY, **progress}
        how = f"crashed with {signal.Signals(-status).name}" if status and status < 0 else f"ended itself ({status})"
        return {"status": "failed", "message": f"its kernel {how}", **progress}
    except Exception as error:  # a kernel that does not start or answer, in ways that the libraries word themselves
        traceback.print_exc()
        return {"status": "failed", "message": f"{type(error).__name__}: {error}", **progress}
    nbformat.write(node, folder / "executed.ipynb")
    return {"status": "ok"}


def _started(execute: Callable, running: Callable[[], bool], attempts: int = 3):
    """`execute()`, again when the kernel did not answer at its start.

    Two kernels that start at the same moment may be given the same port; a busy machine may be slow.
    """
    for _ in range(attempts - 1):
        try:
            return execute()
        except RuntimeError:
            if running():
                raise
            traceback.print_exc()
    return execute()


def _kernel_manager_class():
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class ThisPython(AsyncKernelManager):
        """Starts this interpreter as the kernel, whatever kernels are installed under the name `python3`."""

        started: list = []  # noqa: RUF012

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.started.append(self)

        @default("kernel_spec_manager")
        def _only_the_native_kernel(self):
            return KernelSpecManager(kernel_dirs=[], parent=self)

    return ThisPython


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # not through sys.stdin, whose lock would stand in the way of an orderly end
    for process in psutil.Process().children(recursive=True):
        process.kill()
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
