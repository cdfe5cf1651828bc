"""Lab 7: answers that are wrong, each in one way, and a second right one for each task."""

ROLLOUT = """
def rollout(world, state, actions):
    n, horizon, _ = actions.shape
    states = np.tile(state, (n, 1))
    rewards, terminated = np.zeros((n, horizon)), np.zeros((n, horizon), bool)
    for t in range(horizon):
        states, rewards[:, t], terminated[:, t] = world.step(states, actions[:, t])
    return rewards, terminated
"""

RETURNS = """
def discounted_returns(rewards, terminated, gamma=1.0, value=0.0):
    n, horizon = rewards.shape
    going = np.concatenate([np.ones((n, 1)), np.cumprod(~terminated, axis=1)], axis=1)
    discounts = gamma ** np.arange(horizon)
    return (discounts * going[:, :-1] * rewards).sum(axis=1) + gamma**horizon * going[:, -1] * value
"""

REFIT = """
def refit(actions, returns, elites, mean, std, momentum):
    best = actions[np.argsort(returns)[-elites:]]
    new_mean, new_std = best.mean(axis=0), best.std(axis=0, ddof=1)
    return (1 - momentum) * new_mean + momentum * mean, (1 - momentum) * new_std + momentum * std
"""

CANDIDATES = """
def candidates(mean, std, noise, low, high):
    return np.clip(mean + std * noise, low, high)
"""

NOISE = """
def coloured_noise(white, beta):
    horizon = white.shape[-2]
    if horizon == 1:
        return white.copy()
    frequency = np.abs(np.fft.fftfreq(horizon))
    frequency[0] = frequency[1]
    scale = frequency ** (-beta / 2)
    spectrum = np.fft.fft(white, axis=-2) * scale[:, None]
    return np.fft.ifft(spectrum, axis=-2).real / np.sqrt(np.mean(scale**2))
"""

WEIGHTS = """
def mppi_weights(returns, temperature):
    weights = np.exp((returns - returns.max()) / temperature)
    return weights / weights.sum()
"""

PLAN = """
def mppi_plan(actions, weights):
    return np.tensordot(weights, actions, axes=1)
"""

WARM = """
def warm_start(mean, actions, returns, keep):
    def shifted(plan):
        return np.concatenate([plan[..., 1:, :], plan[..., -1:, :]], axis=-2)
    best = np.argsort(-returns)[:keep]
    return shifted(mean), shifted(actions[best])
"""

SHOOTING = """
class Planner:
    def __init__(self, low, high, horizon, population, seed):
        self.low, self.high, self.shape = low, high, (population, horizon, len(low))
        self.random, self.best = np.random.default_rng(seed), None

    def propose(self):
        actions = self.random.uniform(self.low, self.high, self.shape)
        if self.best is not None:
            actions[0] = self.best
        return actions

    def learn(self, actions, returns):
        self.best = actions[np.argmax(returns)]

    def act(self):
        action = self.best[0]
        self.best = np.concatenate([self.best[1:], self.best[-1:]])
        return action
"""

IMPROVED = """
class Planner:
    def __init__(self, low, high, horizon, population, seed):
        self.low, self.high, self.n = low, high, population
        self.random = np.random.default_rng(seed)
        self.mean = np.tile((low + high) / 2, (horizon, 1))
        self.width = self.std = np.tile((high - low) / 4, (horizon, 1))

    def propose(self):
        white = self.random.standard_normal((self.n, *self.mean.shape))
        return candidates(self.mean, self.std, coloured_noise(white, 2.0), self.low, self.high)

    def learn(self, actions, returns):
        self.mean, self.std = refit(actions, returns, 5, self.mean, self.std, 0.1)

    def act(self):
        action = self.mean[0].copy()
        self.mean, _ = warm_start(self.mean, self.mean[None], np.zeros(1), 0)
        self.std = self.width
        return action
"""


def but(source: str, *changes: tuple[str, str]) -> str:
    """The source with these changes. Raises ValueError where one of them changes nothing."""
    for old, new in changes:
        if old not in source:
            raise ValueError(f"no {old!r} to change")
        source = source.replace(old, new)
    return source


WRONG: dict[str, list[tuple[str, str]]] = {
    "rollout": [
        ("always from the first state", but(ROLLOUT, ("states, rewards[:, t]", "_, rewards[:, t]"))),
        (
            "candidate and time swapped",
            but(ROLLOUT, ("n, horizon, _ = actions.shape", "horizon, n, _ = actions.shape")),
        ),
        ("the first action throughout", but(ROLLOUT, ("actions[:, t])", "actions[:, 0])"))),
        ("one step short", but(ROLLOUT, ("range(horizon)", "range(horizon - 1)"))),
        (
            "terminated stays on",
            but(ROLLOUT, ("    return", "    terminated = np.cumsum(terminated, 1) > 0\n    return")),
        ),
        ("rewards masked already", but(ROLLOUT, ("    return rewards,", "    return rewards * ~terminated,"))),
        (
            "one candidate at a time",
            """
def rollout(world, state, actions):
    rewards, terminated = np.zeros(actions.shape[:2]), np.zeros(actions.shape[:2], bool)
    for i, sequence in enumerate(actions):
        now = state[None]
        for t, action in enumerate(sequence):
            now, rewards[i, t], terminated[i, t] = world.step(now, action[None])
    return rewards, terminated
""",
        ),
        (
            "right on the visible example only",
            """
def rollout(world, state, actions):
    for t in range(actions.shape[1]):
        world.step(np.tile(state, (len(actions), 1)), actions[:, t])
    return np.array([[0.99, 0.98], [0.99, 0.97], [1, 1]]), np.array([[0, 1], [0, 1], [0, 0]], bool)
""",
        ),
        ("constant", "def rollout(world, state, actions):\n    return np.zeros((3, 2)), np.zeros((3, 2), bool)"),
    ],
    "returns": [
        ("no mask", but(RETURNS, ("going[:, :-1] * ", ""))),
        ("the last reward is lost", but(RETURNS, ("going[:, :-1]", "going[:, 1:]"))),
        ("discount one step too far", but(RETURNS, ("np.arange(horizon)", "np.arange(1, horizon + 1)"))),
        ("no discount", but(RETURNS, ("discounts * ", ""))),
        ("value of an episode that is over", but(RETURNS, ("going[:, -1] * value", "value"))),
        ("value one step too early", but(RETURNS, ("gamma**horizon", "gamma ** (horizon - 1)"))),
        ("value without a discount", but(RETURNS, ("gamma**horizon * ", ""))),
        ("value though the last step ended it", but(RETURNS, ("going[:, -1] * value", "going[:, -2] * value"))),
        ("sum over the candidates", but(RETURNS, ("sum(axis=1)", "sum(axis=0)"))),
        ("masks single steps only", but(RETURNS, ("np.cumprod(~terminated, axis=1)", "~terminated"))),
        ("constant", "def discounted_returns(rewards, terminated, gamma=1.0, value=0.0):\n    return np.zeros(3)"),
    ],
    "cem": [
        ("the worst", CANDIDATES + but(REFIT, ("[-elites:]", "[:elites]"))),
        ("one elite too few", CANDIDATES + but(REFIT, ("[-elites:]", "[1 - elites :]"))),
        ("divides by K", CANDIDATES + but(REFIT, (", ddof=1", ""))),
        ("variance for deviation", CANDIDATES + but(REFIT, (".std(axis=0, ddof=1)", ".var(axis=0, ddof=1)"))),
        ("mean over time", CANDIDATES + but(REFIT, ("best.mean(axis=0)", "best.mean(axis=1).mean(axis=0)"))),
        (
            "momentum the wrong way round",
            CANDIDATES
            + but(
                REFIT, ("(1 - momentum) * new_mean + momentum * mean", "momentum * new_mean + (1 - momentum) * mean")
            ),
        ),
        ("no momentum", CANDIDATES + but(REFIT, ("(1 - momentum) * new_std + momentum * std", "new_std"))),
        ("no bounds", REFIT + but(CANDIDATES, ("np.clip(mean + std * noise, low, high)", "mean + std * noise"))),
        (
            "bounds before the noise",
            REFIT
            + but(CANDIDATES, ("np.clip(mean + std * noise, low, high)", "np.clip(mean, low, high) + std * noise")),
        ),
        ("all elites", CANDIDATES + but(REFIT, ("[np.argsort(returns)[-elites:]]", ""))),
        ("constant", CANDIDATES + "\ndef refit(*_):\n    return np.full((2, 1), 3.0), np.full((2, 1), 2**0.5)"),
    ],
    "noise": [
        ("white", "def coloured_noise(white, beta):\n    return white.copy()"),
        ("f^-beta", but(NOISE, ("-beta / 2", "-beta"))),
        ("f^+beta", but(NOISE, ("-beta / 2", "beta / 2"))),
        ("no divisor", but(NOISE, (" / np.sqrt(np.mean(scale**2))", ""))),
        ("divides by the mean factor", but(NOISE, ("np.sqrt(np.mean(scale**2))", "np.mean(scale)"))),
        (
            "frequency 0 left out",
            but(
                NOISE,
                (
                    "frequency[0] = frequency[1]\n    scale = frequency ** (-beta / 2)",
                    "scale = np.concatenate([[0], frequency[1:] ** (-beta / 2)])",
                ),
            ),
        ),
        ("frequency 0 is 1", but(NOISE, ("frequency[0] = frequency[1]", "frequency[0] = 1"))),
        ("along the candidates", but(NOISE, ("(white, axis=-2) * scale[:, None]", "(white, axis=0)"))),
        (
            "odd horizons lose a step",
            but(NOISE, ("    return np.fft.ifft", "    return np.zeros(white.shape) if horizon % 2 else np.fft.ifft")),
        ),
        (
            "normalised by what was drawn",
            but(
                NOISE,
                (
                    "    return np.fft.ifft(spectrum, axis=-2).real / np.sqrt(np.mean(scale**2))",
                    "    red = np.fft.ifft(spectrum, axis=-2).real\n    return red / red.std()",
                ),
            ),
        ),
    ],
    "mppi": [
        ("overflows", PLAN + but(WEIGHTS, ("(returns - returns.max())", "returns"))),
        ("prefers what is bad", PLAN + but(WEIGHTS, ("(returns - returns.max())", "(returns.min() - returns)"))),
        ("multiplies by the temperature", PLAN + but(WEIGHTS, (") / temperature", ") * temperature"))),
        ("no temperature", PLAN + but(WEIGHTS, (" / temperature", ""))),
        ("not normalised", PLAN + but(WEIGHTS, ("weights / weights.sum()", "weights"))),
        ("subtracts the mean", PLAN + but(WEIGHTS, ("returns.max()", "returns.mean()"))),
        (
            "the best takes all",
            PLAN + "\ndef mppi_weights(returns, temperature):\n"
            "    return (np.arange(len(returns)) == returns.argmax()) * 1.0",
        ),
        ("plain mean", WEIGHTS + "\ndef mppi_plan(actions, weights):\n    return actions.mean(axis=0)"),
        (
            "a sum over time",
            WEIGHTS + "\ndef mppi_plan(actions, weights):\n    return np.einsum('n,nha->a', weights, actions)",
        ),
    ],
    "warm-start": [
        ("not shifted", but(WARM, ("return shifted(mean)", "return mean"))),
        ("memory not shifted", but(WARM, ("shifted(actions[best])", "actions[best]"))),
        ("ends in zero", but(WARM, ("plan[..., -1:, :]]", "0 * plan[..., -1:, :]]"))),
        ("goes round", but(WARM, ("plan[..., -1:, :]]", "plan[..., :1, :]]"))),
        (
            "shifts the other way",
            but(WARM, ("[plan[..., 1:, :], plan[..., -1:, :]]", "[plan[..., :1, :], plan[..., :-1, :]]")),
        ),
        ("keeps the worst", but(WARM, ("np.argsort(-returns)", "np.argsort(returns)"))),
        ("one too few", but(WARM, ("[:keep]", "[: keep - 1]"))),
        ("everything when keep is 0", but(WARM, ("np.argsort(-returns)[:keep]", "np.argsort(returns)[-keep:]"))),
        ("in place", but(WARM, ("    return shifted(mean)", "    mean[:-1] = mean[1:]\n    return mean"))),
    ],
    "planner": [
        ("random shooting", SHOOTING),
        (
            "no warm start",
            but(
                IMPROVED,
                (
                    "self.mean, _ = warm_start(self.mean, self.mean[None], np.zeros(1), 0)",
                    "self.mean = np.zeros_like(self.mean)",
                ),
            ),
        ),
        ("the deviation stays small", but(IMPROVED, ("self.std = self.width", "pass"))),
        ("learns from the worst", but(IMPROVED, ("refit(actions, returns,", "refit(actions, -returns,"))),
        ("no torque", but(IMPROVED, ("action = self.mean[0].copy()", "action = 0 * self.mean[0]"))),
        ("always the full torque", but(IMPROVED, ("action = self.mean[0].copy()", "action = self.high"))),
        ("takes the last action", but(IMPROVED, ("action = self.mean[0].copy()", "action = self.mean[-1].copy()"))),
        ("leaves the bounds", but(IMPROVED, ("self.low, self.high)\n\n    def learn", "-5, 5)\n\n    def learn"))),
        ("twice the budget", but(IMPROVED, ("(self.n, *", "(2 * self.n, *"))),
    ],
}

ALSO_RIGHT: dict[str, list[tuple[str, str]]] = {
    "rollout": [
        (
            "collected in lists",
            """
def rollout(world, state, actions):
    states, rewards, ends = np.repeat(np.array(state)[None], len(actions), 0), [], []
    for now in actions.swapaxes(0, 1):
        states, r, over = world.step(states, now)
        rewards.append(r)
        ends.append(over)
    return np.stack(rewards, 1), np.stack(ends, 1)
""",
        )
    ],
    "returns": [
        (
            "backwards, in a loop",
            """
def discounted_returns(rewards, terminated, gamma=1.0, value=0.0):
    total = np.zeros(len(rewards)) + value
    for t in reversed(range(rewards.shape[1])):
        total = rewards[:, t] + gamma * np.where(terminated[:, t], 0.0, total)
    return total
""",
        )
    ],
    "cem": [
        (
            "in float32 and with argpartition",
            """
def candidates(mean, std, noise, low, high):
    return np.minimum(high, np.maximum(low, noise * std + mean))


def refit(actions, returns, elites, mean, std, momentum):
    n = len(returns)
    best = actions[np.argpartition(returns, n - elites)[n - elites :]].astype(np.float32)
    centre = best.sum(0) / elites
    spread = np.sqrt(((best - centre) ** 2).sum(0) / (elites - 1))
    return [centre + momentum * (mean - centre), spread + momentum * (std - spread)]
""",
        )
    ],
    "noise": [
        (
            "with the real transform",
            """
def coloured_noise(white, beta):
    horizon = white.shape[-2]
    f = np.fft.rfftfreq(horizon)
    f[0] = 1 / horizon
    scale = f ** (-beta / 2)
    weight = np.full(len(f), 2.0)
    weight[0] = 1
    if horizon % 2 == 0:
        weight[-1] = 1
    power = (weight * scale**2).sum() / horizon
    moved = np.moveaxis(white, -2, -1)
    red = np.fft.irfft(np.fft.rfft(moved, axis=-1) * scale, horizon, axis=-1) / np.sqrt(power)
    return np.moveaxis(red, -1, -2)
""",
        )
    ],
    "mppi": [
        (
            "by the logarithm of the sum, and a loop",
            """
def mppi_weights(returns, temperature):
    scaled = np.asarray(returns) / temperature
    return np.exp(scaled - np.logaddexp.reduce(scaled))


def mppi_plan(actions, weights):
    plan = np.zeros(actions.shape[1:])
    for weight, action in zip(weights, actions):
        plan += weight * action
    return plan
""",
        )
    ],
    "warm-start": [
        (
            "by indices",
            """
def warm_start(mean, actions, returns, keep):
    later = np.minimum(np.arange(len(mean)) + 1, len(mean) - 1)
    order = sorted(range(len(returns)), key=lambda i: -returns[i])[:keep]
    return mean[later], actions[np.array(order, int)][:, later]
""",
        )
    ],
    "planner": [("the mean is carried out, nothing is remembered", IMPROVED)],
}

SLOW = ("planner",)

START = "rewards, terminated = "
ROLLOUT_START = f"rollout: {START}(np.zeros((n, horizon)), np.zeros((n, horizon), bool)) → {START}"
EQUIVALENT: dict[str, str] = {
    ROLLOUT_START + "(np.ones((n, horizon)), np.zeros((n, horizon), bool))": "every reward is written",
    ROLLOUT_START + "(np.zeros((n, horizon)), np.ones((n, horizon), bool))": "every flag is written",
    "cem: return np.clip(mean + std * noise, low, high) → return np.clip(low, mean + std * noise, high)": (
        "clip(x, low, high) is min(max(x, low), high), and a maximum has no order"
    ),
}
