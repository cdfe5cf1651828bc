"""Known answers to lab 8: wrong ones, one mistake each, and right ones written in another way than the master's."""

SLOW = {"agent"}

Q_UPDATE = """
def q_update(q, s, a, r, s2, over, alpha, gamma):
    target = {target}
    error = {error}
    q[s, a] {change}
    return {answer}
"""
WATKINS = {
    "target": "r if over else r + gamma * q[s2].max()", "error": "target - q[s, a]", "change": "+= alpha * error",
    "answer": "error",
}  # fmt: skip


def update(**mistake: str) -> str:
    return Q_UPDATE.format(**{**WATKINS, **mistake})


MODEL = """
class TableModel:
    def __init__(self):
        self.pairs, self.outcomes = [], {{}}

    def learn(self, s, a, r, s2, over):
        {learn}

    def tried(self):
        return {tried}

    def outcome(self, s, a):
        return {outcome}
"""
MEMORY = {
    "learn": "if (s, a) not in self.outcomes:\n"
    "            self.pairs.append((s, a))\n"
    "        self.outcomes[s, a] = (r, s2, over)",
    "tried": "list(self.pairs)",
    "outcome": "self.outcomes[s, a]",
}


def model(**mistake: str) -> str:
    return MODEL.format(**{**MEMORY, **mistake})


PLAN = """
def plan(q, model, picks, alpha, gamma):
    pairs = model.tried()
    for pick in {picks}:
        s, a = pairs[pick]
        {body}
"""


def plan(body: str = "q_update(q, s, a, *model.outcome(s, a), alpha, gamma)", picks: str = "picks") -> str:
    return PLAN.format(body=body, picks=picks)


SWEEP = """
def sweep(q, model, n, theta, gamma):
    pairs = model.tried()
    made = 0
    while made < n and pairs:
        errors = {{}}
        for s, a in pairs:
            r, s2, over = model.outcome(s, a)
            errors[s, a] = {error}
        s, a = {worst}
        if {stop}:
            break
        {step}
        made += 1
    return {answer}
"""
LARGEST = {
    "error": "(r if over else r + gamma * q[s2].max()) - q[s, a]", "worst": "max(errors, key=lambda x: abs(errors[x]))",
    "stop": "abs(errors[s, a]) <= theta", "step": "q[s, a] += errors[s, a]", "answer": "made",
}  # fmt: skip


def sweep(**mistake: str) -> str:
    return SWEEP.format(**{**LARGEST, **mistake})


AGENT = """
class Agent:
    def __init__(self, states, actions, gamma, seed):
        self.q, self.gamma, self.alpha = np.full((states, actions), {first}), gamma, 0.5
        self.model, self.rng, self.actions = TableModel(), np.random.default_rng(seed), actions

    def act(self, s):
        {act}

    def learn(self, s, a, r, s2, over):
        {learn}
"""
CURIOUS = {
    "first": "1.0",
    "act": "return int(self.rng.choice(np.flatnonzero(self.q[s] == self.q[s].max())))",
    "learn": "self.model.learn(s, a, r, s2, over)\n        sweep(self.q, self.model, 50, 1e-3, self.gamma)",
}


def agent(**mistake: str) -> str:
    return AGENT.format(**{**CURIOUS, **mistake})


NLL = "\ndef gaussian_nll(mean, log_variance, target):\n    return {}\n"
BOUNDED = "\ndef bounded(log_variance, low, high):\n    {}\n"

BOOTSTRAP = "\ndef bootstrap(n, members, rng):\n    return {}\n"
OUT = "\ndef out_of_bag(rows):\n    {}\n"
DECOMPOSE = "\ndef decompose(mean, log_variance):\n    return {}\n"

PARTICLES = """
def trajectories(model, state, actions, draws, noise, how):
    steps, count = draws.shape
    path = np.zeros((steps + 1, count, len(state)))
    path[0] = state
    for t in range(steps):
        mean, log_variance = model.predict(path[t], {action})
        for p in range(count):
            e = {member}
            path[t + 1, p] = {following}
    return {answer}
"""
SAMPLED = {
    "action": "actions[t]", "member": 'draws[t, p] if how == "TS1" else draws[0, p]', "answer": "path",
    "following": "path[t, p] + mean[e, p] + np.exp(log_variance[e, p] / 2) * noise[t, p]",
}  # fmt: skip


def particles(**mistake: str) -> str:
    return PARTICLES.format(**{**SAMPLED, **mistake})


WRONG = {
    "q-learning": [
        ("the end of an episode is ignored", update(target="r + gamma * q[s2].max()")),
        ("values after the end count, before it not", update(target="r + over * gamma * q[s2].max()")),
        ("no discount", update(target="r if over else r + q[s2].max()")),
        ("the reward is discounted too", update(target="r if over else gamma * (r + q[s2].max())")),
        ("the mean for the maximum: Expected Sarsa", update(target="r if over else r + gamma * q[s2].mean()")),
        ("the same action in the next cell: Sarsa", update(target="r if over else r + gamma * q[s2, a]")),
        ("the maximum of the whole table", update(target="r if over else r + gamma * q.max()")),
        ("values of the cell that was left", update(target="r if over else r + gamma * q[s].max()")),
        ("all of the way at once", update(change="+= error")),
        ("away from the target", update(change="-= alpha * error")),
        ("the target for the error", update(error="target")),
        ("returns the step, not the error", update(answer="alpha * error")),
        ("returns the error that is left", update(answer="target - q[s, a]")),
        ("returns the new value", update(answer="q[s, a]")),
        ("a copy is changed", update().replace("    target", "    q = q.copy()\n    target", 1)),
        ("the visible example by heart", update(answer="0.0 if over else 3.6")),
    ],
    "dyna": [
        ("the first outcome for the last", model(
            learn="if (s, a) not in self.outcomes:\n"
            "            self.pairs.append((s, a))\n            self.outcomes[s, a] = (r, s2, over)")),
        ("a pair stands there as often as it was tried", model(
            learn="self.pairs.append((s, a)); self.outcomes[s, a] = (r, s2, over)")),
        ("a pair that comes again goes to the end", model(
            learn="self.outcomes.pop((s, a), None); self.outcomes[s, a] = (r, s2, over)",
            tried="list(self.outcomes)")),
        ("sorted by number", model(tried="sorted(self.pairs)")),
        ("cells for pairs", model(tried="[s for s, a in self.pairs]")),
        ("reward and next cell exchanged", model(outcome="(lambda r, s2, over: (s2, r, over))(*self.outcomes[s, a])")),
        ("the end is forgotten", model(outcome="(*self.outcomes[s, a][:2], False)")),
        ("nothing is imagined", plan("pass")),
        ("the first pick only", plan(picks="picks[:1]")),
        ("the picks in reverse", plan(picks="picks[::-1]")),
        ("each pick once", plan(picks="dict.fromkeys(int(p) for p in picks)")),
        ("all pairs, whatever was picked", plan(picks="range(len(pairs))")),
        ("the next pair", plan().replace("pairs[pick]", "pairs[(pick + 1) % len(pairs)]")),
        ("full updates whatever α is", plan("q_update(q, s, a, *model.outcome(s, a), 1.0, gamma)")),
        ("α and γ exchanged", plan("q_update(q, s, a, *model.outcome(s, a), gamma, alpha)")),
        ("learns imagined steps as real ones", plan(
            "q_update(q, s, a, *model.outcome(s, a), alpha, gamma); model.learn(s, a, 0.0, s, False)")),
        ("all from the table as it was", plan(
            "r, s2, over = model.outcome(s, a); q[s, a] += alpha * (r + (not over) * gamma * old[s2].max() - old[s, a])"
        ).replace("    pairs", "    old = q.copy()\n    pairs", 1)),
    ],
    "sweeping": [
        ("the sign decides", sweep(worst="max(errors, key=errors.get)")),
        ("the smallest error first", sweep(worst="min(errors, key=lambda x: abs(errors[x]))")),
        ("pairs in turn", sweep(worst="pairs[made % len(pairs)]", stop="False")),
        ("the largest value first", sweep(worst="max(errors, key=lambda x: q[x])")),
        ("θ itself is above θ", sweep(stop="abs(errors[s, a]) < theta")),
        ("half of the way", sweep(step="q[s, a] += 0.5 * errors[s, a]")),
        ("one update too many", sweep().replace("made < n", "made <= n")),
        ("θ is ignored", sweep(stop="abs(errors[s, a]) == 0")),
        ("θ is compared with the signed error", sweep(stop="errors[s, a] <= theta")),
        ("the end of an episode is ignored", sweep(error="r + gamma * q[s2].max() - q[s, a]")),
        ("errors computed once, and never again", """
def sweep(q, model, n, theta, gamma):
    errors = {}
    for s, a in model.tried():
        r, s2, over = model.outcome(s, a)
        errors[s, a] = (r if over else r + gamma * q[s2].max()) - q[s, a]
    order = [x for x in sorted(errors, key=lambda x: -abs(errors[x])) if abs(errors[x]) > theta][:n]
    for pair in order:
        q[pair] += errors[pair]
    return len(order)
"""),
        ("returns n", sweep(answer="n")),
        ("returns the largest error", sweep(answer="max(map(abs, errors.values())) if pairs else 0")),
        ("fails on an empty model", sweep().replace(" and pairs", "")),
        ("no discount", sweep(error="(r if over else r + q[s2].max()) - q[s, a]")),
        ("a copy is changed", sweep().replace("    made = 0", "    made, q = 0, q.copy()", 1)),
    ],
    "agent": [
        ("the example, Dyna-Q", "class Agent(DynaAgent): pass"),
        ("Q-learning", "class Agent(QAgent): pass"),
        ("walks at random", agent(act="return int(self.rng.integers(self.actions))")),
        ("always the same action", agent(act="return 0")),
        ("the first of the best, and never learns", agent(act="return int(self.q[s].argmax())", learn="pass")),
        ("sweeps, but expects nothing of the unknown", agent(first="0.0")),
        ("the action of least value", agent(act="return int(self.q[s].argmin())")),
        ("hopeful, but without a model", agent(
            learn="q_update(self.q, s, a, r, s2, over, self.alpha, self.gamma)")),
        ("remembers, but never plans", agent(learn="self.model.learn(s, a, r, s2, over)")),
        ("forgets all at each goal", agent(
            learn="self.model.learn(s, a, r, s2, over)\n        sweep(self.q, self.model, 50, 1e-3, self.gamma)\n"
            "        if over:\n            self.__init__(*self.q.shape, self.gamma, 0)")),
        ("forgets that the goal pays", agent(
            learn="self.model.learn(s, a, 0.0, s2, over)\n        sweep(self.q, self.model, 50, 1e-3, self.gamma)")),
        ("half of all steps at random", agent(
            act="if self.rng.random() < 0.5:\n            return int(self.rng.integers(self.actions))\n"
            "        return int(self.q[s].argmax())")),
        ("an action that does not exist", agent(act="return self.actions")),
        ("a value for an action", agent(act="return float(self.q[s].max())")),
    ],
    "likelihood": [
        ("the mean of all", NLL.format(
            "0.5 * (np.log(2 * np.pi) + log_variance + (target - mean) ** 2 / log_variance.exp()).mean()")),
        ("no log 2π", NLL.format("0.5 * (log_variance + (target - mean) ** 2 / log_variance.exp())")),
        ("the likelihood for its negative", NLL.format(
            "-0.5 * (np.log(2 * np.pi) + log_variance + (target - mean) ** 2 / log_variance.exp())")),
        ("a deviation for a variance", NLL.format(
            "0.5 * np.log(2 * np.pi) + log_variance + 0.5 * ((target - mean) / log_variance.exp()) ** 2")),
        ("no square", NLL.format(
            "0.5 * (np.log(2 * np.pi) + log_variance + (target - mean).abs() / log_variance.exp())")),
        ("no one half", NLL.format("np.log(2 * np.pi) + log_variance + (target - mean) ** 2 / log_variance.exp()")),
        ("times the variance", NLL.format(
            "0.5 * (np.log(2 * np.pi) + log_variance + (target - mean) ** 2 * log_variance.exp())")),
        ("squared errors", NLL.format("(target - mean) ** 2 + 0 * log_variance")),
        ("the right shape by the visible example alone", NLL.format(
            "0.5 * (np.log(2 * np.pi) + log_variance + (target - mean) ** 2 / log_variance.exp()) "
            "+ 0 * torch.zeros(2, 3, 1)")),
        ("cut off, not bent", BOUNDED.format("return log_variance.clamp(low, high)")),
        ("bounds exchanged", BOUNDED.format(
            "x = low - F.softplus(low - log_variance)\n    return high + F.softplus(x - high)")),
        ("the lower bound first", BOUNDED.format(
            "x = low + F.softplus(log_variance - low)\n    return high - F.softplus(high - x)")),
        ("both from the raw value", BOUNDED.format(
            "return low + F.softplus(log_variance - low) - F.softplus(log_variance - high)")),
        ("the upper bound only", BOUNDED.format("return high - F.softplus(high - log_variance)")),
        ("overflows", BOUNDED.format(
            "x = high - torch.log(1 + torch.exp(high - log_variance))\n"
            "    return low + torch.log(1 + torch.exp(x - low))")),
        ("a sigmoid", BOUNDED.format("return low + (high - low) * torch.sigmoid(log_variance)")),
        ("the visible bounds by heart", BOUNDED.format(
            "x = 1.0 - F.softplus(1.0 - log_variance)\n    return -8.0 + F.softplus(x + 8.0)")),
    ],
    "ensemble": [
        ("without replacement", BOOTSTRAP.format("np.stack([rng.permutation(n) for _ in range(members)])")),
        ("the same rows for all", BOOTSTRAP.format("np.tile(rng.integers(n, size=n), (members, 1))")),
        ("a generator of its own", BOOTSTRAP.format("np.random.default_rng(0).integers(n, size=(members, n))")),
        ("NumPy's global generator", BOOTSTRAP.format("np.random.randint(n, size=(members, n))")),
        ("never the last row", BOOTSTRAP.format("rng.integers(max(n - 1, 1), size=(members, n))")),
        ("a row that does not exist", BOOTSTRAP.format("rng.integers(n + 1, size=(members, n))")),
        ("axes exchanged", BOOTSTRAP.format("rng.integers(n, size=(n, members))")),
        ("one draw shifted for each member", BOOTSTRAP.format(
            "(rng.permutation(n) + np.arange(members)[:, None]) % n")),
        ("sorted", BOOTSTRAP.format("np.sort(rng.integers(n, size=(members, n)), axis=1)")),
        ("rows that were seen", OUT.format(
            "return np.array([np.isin(np.arange(rows.shape[1]), member) for member in rows])")),
        ("rows that no member saw", OUT.format(
            "never = ~np.isin(np.arange(rows.shape[1]), rows)\n    return np.tile(never, (len(rows), 1))")),
        ("up to the largest row that was drawn", OUT.format(
            "return np.array([~np.isin(np.arange(rows.max() + 1), member) for member in rows])")),
        ("whole numbers", OUT.format(
            "return np.array([~np.isin(np.arange(rows.shape[1]), member) for member in rows]).astype(int)")),
        ("four rows", OUT.format("return np.array([~np.isin(np.arange(4), member) for member in rows])")),
        ("the mean of the log-variances", DECOMPOSE.format(
            "mean.mean(0), np.exp(log_variance.mean(0)), mean.var(0)")),
        ("the spread of the variances for that of the means", DECOMPOSE.format(
            "mean.mean(0), np.exp(log_variance).mean(0), np.exp(log_variance).var(0)")),
        ("divided by E − 1", DECOMPOSE.format("mean.mean(0), np.exp(log_variance).mean(0), mean.var(0, ddof=1)")),
        ("deviations for variances", DECOMPOSE.format(
            "mean.mean(0), np.exp(log_variance / 2).mean(0), mean.std(0)")),
        ("over inputs instead of members", DECOMPOSE.format("mean.mean(1), np.exp(log_variance).mean(1), mean.var(1)")),
        ("aleatoric and epistemic exchanged", DECOMPOSE.format(
            "mean.mean(0), mean.var(0), np.exp(log_variance).mean(0)")),
        ("the total for the epistemic", DECOMPOSE.format(
            "mean.mean(0), np.exp(log_variance).mean(0), mean.var(0) + np.exp(log_variance).mean(0)")),
    ],
    "particles": [
        ("a new member at each step, always", particles(member="draws[t, p]")),
        ("the first member for good, always", particles(member="draws[0, p]")),
        ("TS1 and TS∞ exchanged", particles(member='draws[0, p] if how == "TS1" else draws[t, p]')),
        ("TS∞: one member for all particles", particles(member='draws[t, p] if how == "TS1" else draws[0, 0]')),
        ("TS1: one member a step for all particles", particles(member='draws[t, 0] if how == "TS1" else draws[0, p]')),
        ("the members' average", particles(
            following="path[t, p] + mean[:, p].mean(0) + np.exp(log_variance[:, p] / 2).mean(0) * noise[t, p]")),
        ("no noise", particles(following="path[t, p] + mean[e, p]")),
        ("a variance for a deviation", particles(
            following="path[t, p] + mean[e, p] + np.exp(log_variance[e, p]) * noise[t, p]")),
        ("the log-variance for a deviation", particles(
            following="path[t, p] + mean[e, p] + log_variance[e, p] * noise[t, p]")),
        ("the change for the state", particles(
            following="mean[e, p] + np.exp(log_variance[e, p] / 2) * noise[t, p]")),
        ("one noise for all particles", particles(
            following="path[t, p] + mean[e, p] + np.exp(log_variance[e, p] / 2) * noise[t, 0]")),
        ("the first action for good", particles(action="actions[0]")),
        ("the start is missing", particles(answer="path[1:]")),
        ("particles first", particles(answer="path.transpose(1, 0, 2)")),
        ("the last states only", particles(answer="path[-1]")),
        ("all from the start", particles().replace("predict(path[t]", "predict(path[0]")),
        ("starts at zero", particles().replace("path[0] = state", "pass")),
        ("the caller's state is changed", particles(answer="(state.__iadd__(1), path)[1]")),
    ],
}  # fmt: skip

ALSO_RIGHT = {
    "q-learning": [
        ("from the template", update()),
        ("a mixture of old and new, with Python's own max", """
def q_update(q, s, a, r, s2, over, alpha, gamma):
    old, later = float(q[s, a]), max(q[s2].tolist())
    target = r + gamma * later * (1 - int(over))
    q[s, a] = (1 - alpha) * old + alpha * target
    return np.float64(target - old)
"""),
    ],
    "dyna": [
        ("a list of pairs and a dict of outcomes", model()),
        ("outcomes as arrays, pairs as lists", model(
            learn="if [s, a] not in self.pairs:\n"
            "            self.pairs.append([s, a])\n"
            "            self.outcomes[len(self.pairs) - 1] = None\n"
            "        self.outcomes[self.pairs.index([s, a])] = [r, s2, over]",
            outcome="self.outcomes[self.pairs.index([s, a])]")),
        ("plan without q_update", plan(
            "r, s2, over = model.outcome(s, a)\n"
            "        target = r if over else r + gamma * np.amax(q[s2])\n"
            "        q[s, a] += alpha * (target - q[s, a])")),
    ],
    "sweeping": [
        ("a loop over the pairs", sweep()),
        ("a queue, and the pairs that lead to a cell", """
def sweep(q, model, n, theta, gamma):
    import heapq

    leads, now, queue = {}, {}, []
    for pair in model.tried():
        leads.setdefault(model.outcome(*pair)[1], []).append(pair)

    def consider(pair):
        r, s2, over = model.outcome(*pair)
        now[tuple(pair)] = (r if over else r + gamma * q[s2].max()) - q[tuple(pair)]
        if abs(now[tuple(pair)]) > theta:
            heapq.heappush(queue, (-abs(now[tuple(pair)]), tuple(pair)))

    for pair in model.tried():
        consider(pair)
    made = 0
    while queue and made < n:
        size, (s, a) = heapq.heappop(queue)
        if -size != abs(now[s, a]):
            continue
        q[s, a] += now[s, a]
        made += 1
        for pair in {(s, a), *map(tuple, leads.get(s, []))}:
            consider(pair)
    return made
"""),
    ],
    "agent": [
        ("value iteration over a table of all pairs", """
class Agent:
    def __init__(self, states, actions, gamma, seed):
        self.next = np.full((states, actions), states)  # one cell more: the end
        self.pays, self.v, self.gamma = np.ones((states, actions)), np.zeros(states + 1), gamma

    def values(self):
        return self.pays + self.gamma * self.v[self.next]

    def act(self, s):
        return np.int64(self.values()[s].argmax())

    def learn(self, s, a, r, s2, over):
        self.pays[s, a] = r
        self.next[s, a] = len(self.v) - 1 if over else s2
        for _ in range(40):
            self.v[:-1] = self.values().max(axis=1)
"""),
    ],
    "likelihood": [
        ("torch's own distribution", NLL.format(
            "-torch.distributions.Normal(mean, torch.exp(log_variance / 2)).log_prob(target)")),
        ("logaddexp for softplus", BOUNDED.format(
            "zero = torch.zeros(())\n    high, low = torch.as_tensor(high), torch.as_tensor(low)\n"
            "    x = high - torch.logaddexp(high - log_variance, zero)\n"
            "    return low + torch.logaddexp(x - low, zero)")),
    ],
    "ensemble": [
        ("choice", BOOTSTRAP.format("rng.choice(n, (members, n))")),
        ("one member at a time, in a list", BOOTSTRAP.format(
            "[[int(n * u) for u in rng.random(n)] for _ in range(members)]")),
        ("counts of each row", OUT.format(
            "return torch.tensor(np.array([np.bincount(m, minlength=len(m)) == 0 for m in np.asarray(rows)]))")),
        ("torch", DECOMPOSE.format(
            "torch.as_tensor(mean).mean(0), torch.as_tensor(log_variance).exp().mean(0), "
            "torch.as_tensor(mean).var(0, unbiased=False)")),
        ("the law of total variance", DECOMPOSE.format(
            "[mean.sum(0) / len(mean), np.exp(log_variance).sum(0) / len(mean), "
            "((mean - mean.sum(0) / len(mean)) ** 2).sum(0) / len(mean)]")),
    ],
    "particles": [
        ("a loop over the particles", particles()),
        ("take_along_axis, with the dealing done first", """
def trajectories(model, state, actions, draws, noise, how):
    draws = draws if how == "TS1" else np.repeat(draws[:1], len(draws), axis=0)
    state = np.broadcast_to(state, (draws.shape[1], len(state)))
    path = [state]
    for action, member, dice in zip(actions, draws, noise):
        pick = member[None, :, None]
        mean, spread = (np.take_along_axis(part, pick, axis=0)[0] for part in model.predict(state, action))
        state = state + mean + np.sqrt(np.exp(spread)) * dice
        path.append(state)
    return torch.tensor(np.array(path))
"""),
    ],
}  # fmt: skip

_ZIP = "zip(*(model.outcome(*pair) for pair in pairs)"
_PARTS = "sweeping: r, s2, over = (np.array(part) for part in " + _ZIP + ", strict=True)) → r, s2, over = "
EQUIVALENT = {
    _PARTS + "(np.array(part) for part in " + _ZIP + "))": "every outcome has three parts",
    _PARTS + "(np.array(part) for part in " + _ZIP + ", strict=False))": "every outcome has three parts",
}
