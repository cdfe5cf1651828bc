"""Writes `golden_trees.json`: what DeepMind's mctx finds in small made-up worlds. Needs `pip install mctx` (with jax).

    python tests/helpers/mbrl/make_golden_trees.py

The search of this book has to find the same trees. Worlds are tables: next state, reward and discount of each state and
action (S, A), and the logits (S, A) and value (S,) that a network would give.
"""

import json
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import mctx
import numpy as np

PATH = Path(__file__).parent / "golden_trees.json"
CASES = [  # simulations, actions, candidates, rescaled?, scale of Q, two players?, are some moves forbidden?
    (1, 4, 16, True, 0.1, False, False),
    (2, 9, 16, False, 0.1, True, True),
    (8, 2, 16, True, 0.1, False, False),
    (16, 9, 16, False, 0.1, True, True),
    (16, 9, 4, True, 0.1, True, True),
    (50, 5, 3, False, 1.0, False, True),
    (33, 3, 1, True, 0.02, True, False),
]


def golden(case: int) -> dict:
    simulations, actions, considered, rescale, scale, players, forbidden = CASES[case]
    rng, states, roots = np.random.default_rng(case), 60, 5
    world = {
        "next": rng.integers(0, states, (states, actions)),
        "reward": rng.normal(size=(states, actions)).round(2),
        "discount": rng.choice([-1.0, 0.0] if players else [0.9, 0.0], (states, actions), p=[0.8, 0.2]),
        "logits": rng.normal(size=(states, actions)).round(2),
        "value": rng.normal(size=states).round(2),
    }
    table = {name: jnp.asarray(values) for name, values in world.items()}
    legal = rng.random((roots, actions)) < 0.6 if forbidden else np.ones((roots, actions), bool)
    legal[:, 0] = True

    def step(_, __, action, state):
        to = table["next"][state, action]
        out = mctx.RecurrentFnOutput(
            reward=table["reward"][state, action],
            discount=table["discount"][state, action],
            prior_logits=table["logits"][to],
            value=table["value"][to],
        )
        return out, to

    start = jnp.arange(roots)
    root = mctx.RootFnOutput(prior_logits=table["logits"][start], value=table["value"][start], embedding=start)
    found = mctx.gumbel_muzero_policy(
        None, jax.random.PRNGKey(case), root, step, simulations, invalid_actions=jnp.asarray(~legal),
        qtransform=lambda tree, node: mctx.qtransform_completed_by_mix_value(
            tree, node, value_scale=scale, rescale_values=rescale
        ),
        max_num_considered_actions=considered,
    )  # fmt: skip
    tree = found.search_tree
    return {
        "simulations": simulations, "considered": considered, "rescale": rescale, "scale": scale,
        "world": {name: values.tolist() for name, values in world.items()},
        "legal": legal.tolist(),
        "gumbel": np.asarray(tree.extra_data.root_gumbel, float).tolist(),
        "action": np.asarray(found.action).tolist(),
        "policy": np.asarray(found.action_weights, float).tolist(),
        "child": np.asarray(tree.children_index).tolist(),
        "value": np.asarray(tree.node_values, float).tolist(),
        "visits": np.asarray(tree.node_visits).tolist(),
    }  # fmt: skip


def short(value):
    return [short(v) for v in value] if isinstance(value, list) else round(value, 6) if type(value) is float else value


if __name__ == "__main__":
    made = {"made_with": f"mctx {version('mctx')}, jax {version('jax')}"}
    made["trees"] = [{key: short(value) for key, value in golden(case).items() if key != "world"}
                     | {"world": golden(case)["world"]} for case in range(len(CASES))]  # fmt: skip
    PATH.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")
