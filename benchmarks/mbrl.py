"""Model-based agents against the clock: real steps and CPU-seconds until they can do it, one thread.

    python benchmarks/mbrl.py                          # all entries, five seeds
    python benchmarks/mbrl.py --only pets-pendulum --seeds 1

An entry is a function of a seed that returns numbers; those that a bar is set for are named in `BARS`, and the table
says of each whether its median over the seeds meets it. Random steps count as real steps. The seconds of exams
(episodes from fixed starts, from which nothing is learned) are kept apart: a run's clock stands still meanwhile.
Results: `benchmarks/results/mbrl.json`.

To add an entry, write its function and give it a line in `ENTRIES` and, for each number with a bar, one in `BARS`.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from aibook import recipes
from benchmarks._machine import machine
from helpers.mbrl.dynamics import Pendulum, wrapped
from helpers.mbrl.environments import make
from helpers.training import Stopwatch, seed_everything

RESULTS = Path(__file__).resolve().parent / "results" / "mbrl.json"
DYNA = "mbrl/01-models-planning-dyna"
PLANNING, PETS = "mbrl/02-planning-with-a-known-model", "mbrl/03-pets"
MBPO, WORLD_MODELS, MUZERO = "mbrl/04-mbpo", "mbrl/05-world-models", "mbrl/06-muzero"
Numbers = dict[str, float]


class Bar(NamedTuple):
    """What the median over the seeds is held against."""

    sign: str  # ">=" or "<="
    value: float

    def met(self, value: float) -> bool:
        return value >= self.value if self.sign == ">=" else value <= self.value


# -------------------------------------------------------------------------------------------------------- the entries
def planner(seed: int, starts: int = 20, sequences: int = 120) -> Numbers:
    """Chapter 2's iCEM with the true dynamics on Pendulum-v1, from fixed starts, and CPU-milliseconds a step."""
    chapter = recipes.load(PLANNING)
    env, world = make(Pendulum.name, "box"), Pendulum()
    search = chapter.planner("iCEM", 25, sequences, seed=seed)
    returns, milliseconds = zip(*(chapter.episode(env, search, world, start) for start in range(starts)), strict=True)
    return {"return": np.mean(returns), "worst": np.min(returns), "ms": np.mean(milliseconds)}


def mppi_library(seed: int, starts: int = 20, horizon: int = 15, samples: int = 1_000) -> Numbers:
    """pytorch_mppi with the same dynamics, from the same starts: `pip install pytorch-mppi`, it is not in the lock."""
    try:
        from pytorch_mppi import MPPI
    except ImportError:
        raise SystemExit("the entry mppi-library needs pytorch_mppi, not in the lock: pip install it") from None
    torch.manual_seed(seed)
    env, world, returns, milliseconds = make(Pendulum.name, "box"), Pendulum(), [], []

    def dynamics(state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return torch.stack(world.advance(state.unbind(-1), action[..., 0].clamp(-2, 2)), -1)

    def cost(state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return wrapped(state[..., 0]) ** 2 + 0.1 * state[..., 1] ** 2 + 0.001 * action[..., 0] ** 2

    sigma, bound = torch.tensor(10.0), torch.tensor(2.0)  # the noise of the library's own example on this environment
    for start in range(starts):
        library = MPPI(dynamics, cost, 2, sigma, samples, horizon, lambda_=1.0, u_min=-bound, u_max=bound)
        (_, _), total, cut = env.reset(seed=start), 0.0, False
        with Stopwatch() as watch:
            for steps in itertools.count(1):  # noqa: B007
                state = torch.tensor(env.unwrapped.state, dtype=torch.float32)
                _, reward, _, cut, _ = env.step(library.command(state).numpy())
                total += reward
                if cut:
                    break
        returns.append(total)
        milliseconds.append(1e3 * watch.cpu / steps)
    return {"return": np.mean(returns), "worst": np.min(returns), "ms": np.mean(milliseconds)}


def dyna_maze(seed: int, repeats: int = 20, most: int = 30_000) -> Numbers:
    """Real steps of Q-learning, and of Dyna-Q with 50 planning steps, until the maze's policy is worth 90 of 100.

    Means over `repeats` agents; `saving` is their ratio. An agent that never gets there stands with all its steps.
    """
    chapter, world, gamma = recipes.load(DYNA), make("DynaMaze-v0", "discrete"), 0.95
    P, R = chapter.tables(world)
    score, numbers = chapter.judge(P, R, chapter.starts(world), gamma), {}
    rivals = {"q": chapter.QLearning, "dyna": lambda *size, **how: chapter.DynaQ(*size, 50, memory=None, **how)}
    for rival, kind in rivals.items():
        with Stopwatch() as watch:
            agents = [kind(*R.shape, gamma=gamma, seed=1_000 * seed + j) for j in range(repeats)]
            runs = [
                chapter.train(agent, make("DynaMaze-v0", "discrete"), most, j, score, every=10, target=90)
                for j, agent in enumerate(agents)
            ]
        numbers |= {f"{rival}_steps": np.mean([run.reached or most for run in runs]), f"{rival}_cpu": watch.cpu}
    return {"saving": numbers["q_steps"] / numbers["dyna_steps"], **numbers}


def pets_cart_pole(seed: int, steps: int = 450, enough: float = 180) -> Numbers:
    """PETS on the continuous cart-pole until an episode lasts `enough` steps."""
    chapter = recipes.load(PETS)
    with Stopwatch() as watch:  # everything: making the world, acting, learning, planning
        run = chapter.pets(chapter.CART_POLE, chapter.Settings(), steps, seed, enough=enough)
    best = max((total for _, total, _ in run.episodes), default=0.0)
    return {"return": best, "steps": len(run.rewards), "cpu": watch.cpu, "gradient_steps": run.gradient_steps}


def pets_pendulum(seed: int, exams: Sequence[int] = (100, 200, 300, 400, 600, 800), bar: float = -200) -> Numbers:
    """PETS on Pendulum-v1 until the mean of ten episodes from fixed starts reaches the bar; `cpu` without exams."""
    chapter = recipes.load(PETS)
    settings = chapter.Settings(random_steps=100)
    run = chapter.pets(chapter.PENDULUM, settings, exams[-1], seed, exams=exams, passed=bar)
    n, (returns, cpu) = list(run.exams.items())[-1]
    numbers = {"return": float(returns.mean()), "worst": float(returns.min()), "steps": n, "cpu": cpu}
    return numbers | {"gradient_steps": run.gradient_steps}


def mbpo_pendulum(seed: int, steps: int = 1_500, alone: int = 6_000) -> Numbers:
    """MBPO on Pendulum-v1 until the mean of ten episodes from fixed starts reaches the bar; beside it SAC with as many
    gradient steps for each real one (`sac10_`), and with one (`sac_`), under the same settings. `cpu` without exams.

    A rival that is not at the bar when its `steps` (one gradient step: `alone`) are used up stands with all of them.
    The agents' seeds are the chapter's, from 100 on: its settings were chosen with smaller ones.
    """
    chapter, numbers = recipes.load(MBPO), {}
    task, many = chapter.PENDULUM, 10
    rivals = {"": (steps, many, chapter.Imagining()), "sac10_": (steps, many, None), "sac_": (alone, 1, None)}
    for rival, (budget, updates, config) in rivals.items():
        _, curve = chapter.train(task, budget, updates, config, 100 + seed, enough=task.bar)
        numbers |= {f"{rival}return": curve.returns[-1], f"{rival}steps": curve.steps[-1], f"{rival}cpu": curve.cpu[-1]}
    return numbers


def latent_pendulum(seed: int, steps: int = 2_000) -> Numbers:
    """Chapter 5's latent planner on Pendulum-v1 after `steps` real steps: the mean of ten episodes from fixed starts.

    Beside it SAC with one gradient step for each real one (`sac_`), and with three (`sac3_`), which cost at least as
    much. `ahead` is what the planner has before SAC with one. `cpu` without exams; agents' seeds from 100 on.
    """
    chapter, name = recipes.load(WORLD_MODELS), "Pendulum-v1"
    agent, _, exam = chapter.train_planner(name, steps, chapter.Latent(), 100 + seed, exams=[steps])
    numbers = {"return": exam.returns[-1], "cpu": exam.cpu[-1], "gradient_steps": agent.updates}
    for rival, updates in (("sac", 1), ("sac3", 3)):
        _, curve = chapter.train_sac(name, steps, updates, 100 + seed)
        numbers |= {f"{rival}_return": curve.returns[-1], f"{rival}_cpu": curve.cpu[-1]}
    return numbers | {"ahead": numbers["return"] - numbers["sac_return"], "steps": steps}


def muzero(seed: int, rounds: int = 150, simulations: int = 16) -> Numbers:
    """Chapter 6's MuZero on tic-tac-toe from random openings: % of the attainable against the player who makes no
    mistake, games lost of 100 against one who moves at random, % of positions in which its move gives something away.

    Beside it the nulls, in the same run: the untrained network with equal search (`blank_`), the trained policy without
    search (`policy_`) and, above them, AlphaZero with the exact rules after half as many rounds (`alpha_`). Agents'
    seeds from 100 on.
    """
    chapter = recipes.load(MUZERO)
    game = chapter.TIC_TAC_TOE
    judge, c = chapter.Judge(game), replace(chapter.Settings(), rounds=rounds)
    agent = chapter.player(chapter.MuZero, game, c, 100 + seed)
    graded = {"blank_": chapter.graded(judge, agent, simulations)}
    course = chapter.train(agent)
    graded |= {"": chapter.graded(judge, agent, simulations), "policy_": chapter.graded(judge, agent, 0)}
    exact = replace(c, rounds=max(1, rounds // 2), unroll=0)
    alpha = chapter.player(chapter.AlphaZero, game, exact, 100 + seed)
    alpha_course = chapter.train(alpha)
    graded["alpha_"] = chapter.graded(judge, alpha, simulations)
    numbers = {f"{arm}{what}": graded[arm]._asdict()[what] for arm in ("", "policy_", "blank_", "alpha_")
               for what in ("share", "lost", "wrong")}  # fmt: skip
    return numbers | {"cpu": course.cpu[-1], "alpha_cpu": alpha_course.cpu[-1], "moves": course.steps[-1]}


def ensemble(seed: int) -> Numbers:
    """Evaluations of a member in a CPU-second (5 members, 2 layers of 128), and the share of the bare products."""
    speed, limit = recipes.load(PETS).evaluations(repeats=600)
    return {"evaluations": speed / 1e6, "limit": limit / 1e6, "share": 100 * speed / limit}


# ---------------------------------------------------------------------------------------------------------- the table
ENTRIES: dict[str, Callable[[int], Numbers]] = {
    "dyna-maze": dyna_maze,
    "planner": planner,
    "mppi-library": mppi_library,
    "pets-cart-pole": pets_cart_pole,
    "pets-pendulum": pets_pendulum,
    "mbpo-pendulum": mbpo_pendulum,
    "latent-pendulum": latent_pendulum,
    "muzero": muzero,
    "ensemble": ensemble,
}
BARS: dict[str, dict[str, Bar]] = {
    "dyna-maze": {"saving": Bar(">=", 5)},
    "planner": {"return": Bar(">=", -135), "ms": Bar("<=", 2)},
    "pets-cart-pole": {"return": Bar(">=", 180), "steps": Bar("<=", 450), "cpu": Bar("<=", 10)},
    "pets-pendulum": {"return": Bar(">=", -200), "steps": Bar("<=", 800), "cpu": Bar("<=", 30)},
    "mbpo-pendulum": {"return": Bar(">=", -200), "steps": Bar("<=", 1_500), "cpu": Bar("<=", 120)},
    "latent-pendulum": {"ahead": Bar(">=", 0), "return": Bar(">=", -150), "steps": Bar("<=", 2_000)},
    "muzero": {"share": Bar(">=", 90), "lost": Bar("<=", 0)},
    "ensemble": {"evaluations": Bar(">=", 1.2)},
}


def run(name: str, seeds: Sequence[int]) -> list[Numbers]:
    """One run of an entry for each seed, on one thread."""
    runs, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for seed in seeds:
            seed_everything(seed)
            numbers = {key: round(float(value), 3) for key, value in ENTRIES[name](seed).items()}
            print(f"{name}, seed {seed}: {numbers}", flush=True)
            runs.append({"seed": seed, **numbers})
    finally:
        torch.set_num_threads(threads)
    return runs


def store(name: str, runs: Sequence[Numbers], path: Path = RESULTS) -> None:
    """Put an entry's runs in the place of its older ones; the other entries stay."""
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stored[name] = {"date": datetime.date.today().isoformat(), "machine": machine(threads=1), "runs": runs}
    path.parent.mkdir(exist_ok=True)
    ordered = {key: stored[key] for key in ENTRIES if key in stored}
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def table(stored: dict[str, Any]) -> str:
    """What is stored: median, least and largest over the seeds, the bar, and whether the median meets it."""
    lines = []
    for name, entry in stored.items():
        lines.append(f"{name} ({len(entry['runs'])} seeds, {entry['machine']['cpu']})")
        for key in (key for key in entry["runs"][0] if key != "seed"):
            values = [run[key] for run in entry["runs"]]
            bar, median = BARS.get(name, {}).get(key), float(np.median(values))
            verdict = f"  {bar.sign} {bar.value:g}: {'met' if bar.met(median) else 'MISSED'}" if bar else ""
            lines.append(f"  {key:16} {median:10.2f}  ({min(values):.2f} to {max(values):.2f}){verdict}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ours = [name for name in ENTRIES if name != "mppi-library"]  # which needs a package more
    parser.add_argument("--only", choices=ENTRIES, nargs="+", default=ours, help="entries to run")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.only:
        store(name, run(name, range(arguments.seeds)))
    print("\n" + table(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
