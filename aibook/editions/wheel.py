"""The book's wheel, which the set-up cell installs where only Colab's packages are."""

from pathlib import Path

from aibook import house
from aibook.editions.setup_cell import wheel_name


def build(destination: Path) -> Path:
    """Build the wheel of `helpers` and `aibook` into the folder `destination`; the wheel's path.

    The same sources give the same bytes: hatchling writes a fixed time into the archive and sorts its files.
    """
    from hatchling.builders.wheel import WheelBuilder

    (built,) = WheelBuilder(str(house.ROOT)).build(directory=str(destination), versions=["standard"])
    wheel = Path(built)
    if wheel.name != wheel_name():
        raise RuntimeError(f"the wheel is called {wheel.name}, but the set-up cell asks for {wheel_name()}")
    return wheel
