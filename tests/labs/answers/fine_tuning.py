# ruff: noqa: E501  (a source stands in one line where it can)
"""Lab 6's known-wrong answers, second solutions, and mutants of the master's that change nothing.

Each source is run where the master's solutions are defined, so that it redefines some of them.
"""

SLOW = {"fine-tuner"}

FREEZE = """
def set_trainable(model, prefixes):
    parameters = dict(model.named_parameters())
    {guard}
    learning = {{n for n in parameters if any({fits} for p in prefixes)}}
    for name, parameter in parameters.items():
        {switch}
    return {counts}
"""
GUARD = "for p in prefixes:\n        if not any(n == p or n.startswith(p + '.') for n in parameters):\n            raise ValueError(p)"
FITS = "n == p or n.startswith(p + '.')"
SWITCH = "parameter.requires_grad_(name in learning)"
COUNTS = "sum(parameters[n].numel() for n in learning), sum(p.numel() for p in parameters.values())"


def freeze(**changed: str) -> str:
    return FREEZE.format(**{"guard": GUARD, "fits": FITS, "switch": SWITCH, "counts": COUNTS, **changed})


GROUPS = """
def parameter_groups(named, lr, head_lr, decay, weight_decay=0.01):
    named, groups = list(named), []
    layers = {{n: re.search(r"{pattern}", n) for n, _ in named}}
    depth = {{n: int(m[1]) if m else {below} for n, m in layers.items()}}
    top = {top}
    for name, p in named:
        rate = head_lr if {head} else lr * decay ** ({power})
        groups.append({{"params": [p], "lr": rate, "weight_decay": weight_decay if {decays} else 0.0}})
    return groups
"""


def groups(**changed: str) -> str:
    right = {
        "pattern": r"layer\.(\d+)\.",
        "below": "-1",
        "top": "max(depth.values())",
        "head": "name.startswith('head.')",
        "power": "top - depth[name]",
        "decays": "p.ndim > 1",
    }
    return GROUPS.format(**{**right, **changed})


LORA = """
class LoRALinear(nn.Module):
    def __init__(self, base, r=8, alpha=16):
        super().__init__()
        self.base, self.r, self.alpha = base, r, alpha
        {freeze}
        self.scale = {scale}
        self.A = nn.Parameter({a})
        self.B = nn.Parameter({b})

    def forward(self, x):
        return {forward}

    @torch.no_grad()
    def merge(self):
        {merge}
"""


def lora(**changed: str) -> str:
    right = {
        "freeze": "base.requires_grad_(False)",
        "scale": "alpha / r",
        "a": "torch.randn(r, base.in_features) / base.in_features**0.5",
        "b": "torch.zeros(base.out_features, r)",
        "forward": "self.base(x) + self.scale * (x @ self.A.T @ self.B.T)",
        "merge": "self.base.weight += self.scale * self.B @ self.A\n        self.B.zero_()",
    }
    return LORA.format(**{**right, **changed})


STOPPING = """
class EarlyStopping:
    def __init__(self, patience, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.best, self.weights, self.waited = {best}, None, 0

    def update(self, score, model):
        if {better}:
            {keep}
            self.waited = 0
        else:
            {wait}
        return {stop}

    def restore(self, model):
        {restore}
"""


def stopping(**changed: str) -> str:
    right = {
        "best": "-math.inf",
        "better": "score > self.best + self.min_delta",
        "keep": "self.best, self.weights = score, copy.deepcopy(model.state_dict())",
        "wait": "self.waited += 1",
        "stop": "self.waited >= self.patience",
        "restore": "if self.weights is not None:\n            model.load_state_dict(self.weights)",
    }
    return STOPPING.format(**{**right, **changed})


TUNER = """
class FineTuner:
    def __init__(self, weights, steps):
        self.weights = {{n: nn.Parameter(w.clone()) for n, w in weights.items()}}
        {start}
        self.optimizer = torch.optim.{optimizer}
        self.done, self.steps = 0, steps

    def update(self, gradients):
        for name, p in self.weights.items():
            p.grad = {gradient}
        {step}
        self.done += 1
        return {{n: p.detach() for n, p in self.weights.items() {returned}}}
"""


def tuner(**changed: str) -> str:
    right = {
        "start": "pass",
        "optimizer": "AdamW(self.weights.values(), lr=4e-3)",
        "gradient": "gradients[name]",
        "step": "self.optimizer.step()",
        "returned": "",
    }
    return TUNER.format(**{**right, **changed})


POOL = "def pool(states, mask):\n    m = mask.unsqueeze(-1).to(states.dtype)\n    return "
FACTOR = "def warm_up_and_decay(step, warmup, total):\n    "

WRONG = {
    "pooling": [
        ("no mask", "def pool(states, mask):\n    return states.mean(1)"),
        ("divided by all places", POOL + "(states * m).sum(1) / mask.shape[1]"),
        ("NaN for a text without words", POOL + "(states * m).sum(1) / m.sum(1)"),
        ("the first token", "def pool(states, mask):\n    return states[:, 0]"),
        ("over the batch", POOL + "(states * m).sum(0) / m.sum(0).clamp(min=1)"),
        ("the maximum", POOL + "states.masked_fill(m == 0, -1e9).max(1).values"),
        ("off by one word", POOL + "(states * m).sum(1) / (m.sum(1) + 1)"),
        ("padding at the end only", "def pool(states, mask):\n    n = mask.sum(1)\n    return torch.stack("
         "[x[:k].mean(0) if k else x[0] * 0 for x, k in zip(states, n.tolist())])"),
        ("counts in the mask's own type", "def pool(states, mask):\n    m = mask.unsqueeze(-1).to(states.dtype)\n"
         "    n = mask.sum(1, keepdim=True, dtype=mask.dtype).float()\n    return (states * m).sum(1) / n.clamp(min=1)"),
        ("the visible example by heart", "def pool(states, mask):\n    return torch.tensor([[2.0, 3.0], [7.0, 5.0]])"),
    ],
    "freezing": [
        ("any beginning of a name", freeze(fits="n.startswith(p)")),
        ("no error for a slip", freeze(guard="pass")),
        ("never freezes", freeze(switch="parameter.requires_grad_(name in learning or parameter.requires_grad)")),
        ("only freezes", freeze(switch="parameter.requires_grad_(name in learning and parameter.requires_grad)")),
        ("counts tensors", freeze(counts="len(learning), len(parameters)")),
        ("counts what is frozen", freeze(counts="sum(p.numel() for n, p in parameters.items() if n not in learning), "
                                         "sum(p.numel() for p in parameters.values())")),
        ("no full names", freeze(fits="n.startswith(p + '.')", guard="pass")),
        ("the other way round", freeze(switch="parameter.requires_grad_(name not in learning)")),
        ("prefixes counted twice", freeze(counts="sum(parameters[n].numel() for p in prefixes for n in parameters if n == p "
                                          "or n.startswith(p + '.')), sum(p.numel() for p in parameters.values())")),
        ("the prefix anywhere", freeze(fits="p + '.' in n or n == p", guard=GUARD.replace("n.startswith(p + '.')", "p + '.' in n"))),
        ("all prefixes must be missing for an error",
         freeze(guard=f"if prefixes and not any({FITS} for p in prefixes for n in parameters):\n        raise ValueError(p)")),
    ],
    "parameter-groups": [
        ("one digit", groups(pattern=r"layer\.(\d)")),
        ("the first layer fastest", groups(power="max(depth[name], 0)")),
        ("embeddings at layer 0", groups(below="0")),
        ("one too many powers", groups(power="top + 1 - depth[name]")),
        ("number of layers from how many there are", groups(top="len({d for d in depth.values() if d >= 0}) - 1")),
        ("twelve layers by heart", groups(top="11")),
        ("head anywhere", groups(head="'head' in name")),
        ("decay for all", groups(decays="True")),
        ("decay for whatever is no bias", groups(decays="not name.endswith('bias')")),
        ("decay by the word LayerNorm", groups(decays="not name.endswith('bias') and 'LayerNorm' not in name")),
        ("decay only for matrices", groups(decays="p.ndim == 2")),
        ("decay the wrong way round", groups(decays="p.ndim < 2")),
        ("head without decay", groups(decays="p.ndim > 1 and not name.startswith('head')")),
        ("one group of everything", "def parameter_groups(named, lr, head_lr, decay, weight_decay=0.01):\n"
         "    return [{'params': [p for _, p in named], 'lr': lr, 'weight_decay': weight_decay}]"),
        ("the head is left out", groups() .replace("for name, p in named:", "for name, p in named:\n        if 'head.' == name[:5]: continue")),
    ],
    "schedule": [
        ("starts at zero", FACTOR + "return max(0.0, step / warmup if step < warmup else (total - step) / max(1, total - warmup))"),
        ("never falls", FACTOR + "return min(1.0, (step + 1) / max(1, warmup)) if step < total else 0.0"),
        ("no warm-up", FACTOR + "return max(0.0, (total - step) / total)"),
        ("falls from the start", FACTOR + "return (step + 1) / warmup if step < warmup else max(0.0, (total - step) / total)"),
        ("below zero after the end", FACTOR + "return (step + 1) / warmup if step < warmup else (total - step) / max(1, total - warmup)"),
        ("a cosine", FACTOR + "return (step + 1) / warmup if step < warmup else max(0.0, (1 + math.cos(math.pi * (step - warmup)"
         " / max(1, total - warmup))) / 2) if step < total else 0.0"),
        ("falls one step early", FACTOR + "return 0.0 if step >= total else (step + 1) / warmup if step < warmup else (total - step - 1) / (total - warmup)"),
        ("divides by zero without warm-up", FACTOR + "return max(0.0, min((step + 1) / warmup, (total - step) / max(1, total - warmup)))"),
        ("divides by zero with nothing else", FACTOR + "return max(0.0, min((step + 1) / max(1, warmup), (total - step) / (total - warmup)))"),
        ("always one", FACTOR + "return 1.0"),
    ],
    "lora": [
        ("no scale", lora(scale="1.0")),
        ("alpha alone", lora(scale="alpha")),
        ("alpha over the root of r", lora(scale="alpha / r**0.5")),
        ("the base learns", lora(freeze="pass")),
        ("only the base's weight is frozen", lora(freeze="base.weight.requires_grad_(False)")),
        ("A zero, too", lora(a="torch.zeros(r, base.in_features)")),
        ("B random", lora(b="torch.randn(base.out_features, r)")),
        ("A of ones", lora(a="torch.ones(r, base.in_features) / base.in_features**0.5")),
        ("A not scaled", lora(a="torch.randn(r, base.in_features)")),
        ("the bias twice", lora(forward="self.base(x) + self.scale * (x @ self.A.T @ self.B.T) + (0 if self.base.bias is None else self.base.bias)")),
        ("the correction alone", lora(forward="self.scale * (x @ self.A.T @ self.B.T)")),
        ("merging leaves B", lora(merge="self.base.weight += self.scale * self.B @ self.A")),
        ("merging without the scale", lora(merge="self.base.weight += self.B @ self.A\n        self.B.zero_()")),
        ("merging only forgets", lora(merge="self.B.zero_()")),
        ("merging does nothing", lora(merge="pass")),
        ("merging zeroes A, too", lora(merge="self.base.weight += self.scale * self.B @ self.A\n        self.B.zero_()\n        self.scale = 0.0")),
        ("merging frees the base", lora(merge="self.base.weight += self.scale * self.B @ self.A\n        self.B.zero_()\n        self.base.requires_grad_(True)")),
        ("only vectors and batches of them", lora(forward="self.base(x) + self.scale * (self.B @ self.A @ x.T).T")),
    ],
    "early-stopping": [
        ("a reference, not a copy", stopping(keep="self.best, self.weights = score, model.state_dict()")),
        ("a copy of the dictionary alone", stopping(keep="self.best, self.weights = score, dict(model.state_dict())")),
        ("the last of equals", stopping(better="score >= self.best + self.min_delta")),
        ("min_delta is forgotten", stopping(better="score > self.best")),
        ("best follows small gains", stopping(better="score > self.best + self.min_delta",
                                              wait="self.waited += 1\n            self.best = max(self.best, score)")),
        ("lower is better", stopping(best="math.inf", better="score < self.best - self.min_delta")),
        ("patience one too long", stopping(stop="self.waited > self.patience")),
        ("waiting never starts anew", stopping(keep="self.best, self.weights = score, copy.deepcopy(model.state_dict())\n"
                                               "            self.kept = self.waited",
                                               stop="self.waited + getattr(self, 'kept', 0) >= self.patience")),
        ("scores are positive", stopping(best="0.0")),
        ("NaN counts as better", stopping(better="not score <= self.best + self.min_delta")),
        ("never stops", stopping(stop="False")),
        ("nothing to restore is an error", stopping(restore="model.load_state_dict(self.weights)")),
        ("the weight without the bias", stopping(restore="model.load_state_dict({'weight': self.weights['weight']}, strict=False)")),
        ("restores nothing", stopping(restore="pass")),
    ],
    "fine-tuner": [
        ("changes nothing", tuner(step="pass")),
        ("uphill", tuner(gradient="-gradients[name]")),
        ("the rate of a BERT", tuner(optimizer="AdamW(self.weights.values(), lr=2e-5)")),
        ("ten times the rate", tuner(optimizer="AdamW(self.weights.values(), lr=5e-2)")),
        ("the head alone", tuner(gradient="gradients[name] * name.startswith('head.')")),
        ("forgets the pretraining", tuner(start="for n, p in self.weights.items():\n            p.data = torch.randn_like(p) * 0.1 if p.ndim > 1 else p.data")),
        ("returns the head alone", tuner(returned="if n.startswith('head.')")),
        ("one step only", tuner(step="if self.done == 0: self.optimizer.step()")),
        ("gradient descent without momentum", tuner(optimizer="SGD(self.weights.values(), lr=1e-3)")),
        ("stops with an error after 40 steps", tuner(step="self.optimizer.step()\n        assert self.done < 40")),
        ("weights that are no numbers", tuner(step="self.optimizer.step()\n        self.weights['head.bias'].data.fill_(math.nan)")),
    ],
}  # fmt: skip

ALSO_RIGHT = {
    "pooling": [
        ("a loop", "def pool(states, mask):\n    rows = [x[m.bool()] for x, m in zip(states, mask)]\n"
         "    return torch.stack([r.mean(0) if len(r) else torch.zeros(states.shape[2]) for r in rows])"),
        ("einsum", "def pool(states, mask):\n    m = mask.to(states.dtype)\n"
         "    return torch.einsum('btd,bt->bd', states, m) / m.sum(1, keepdim=True).clamp(min=1)"),
    ],
    "freezing": [
        ("by parts of the path", "def set_trainable(model, prefixes):\n    used, learns = set(), 0\n"
         "    for name, p in model.named_parameters():\n        path = name.split('.')\n"
         "        fits = [q for q in prefixes if path[:len(q.split('.'))] == q.split('.')]\n"
         "        used.update(fits)\n        p.requires_grad = bool(fits)\n        learns += p.numel() if fits else 0\n"
         "    if used != set(prefixes):\n        raise ValueError('nothing there')\n"
         "    return [learns, sum(p.numel() for p in model.parameters())]"),
    ],
    "parameter-groups": [
        ("one group for each rate and decay", "def parameter_groups(named, lr, head_lr, decay, weight_decay=0.01):\n"
         "    named = [(n.split('.'), p) for n, p in named]\n"
         "    layer = lambda n: int(n[n.index('layer') + 1]) if 'layer' in n else -1\n"
         "    top, found = max(layer(n) for n, _ in named), {}\n"
         "    for n, p in named:\n"
         "        key = (head_lr if n[0] == 'head' else lr * decay ** (top - layer(n)), weight_decay * (p.dim() > 1))\n"
         "        found.setdefault(key, []).append(p)\n"
         "    return [{'params': ps, 'lr': a, 'weight_decay': b} for (a, b), ps in found.items()]"),
        ("another pattern", groups(pattern=r"\blayer\.([0-9]+)")),
    ],
    "schedule": [
        ("the smaller of two lines", FACTOR + "rise = (step + 1) / warmup if warmup else 1.0\n"
         "    fall = (total - step) / (total - warmup) if total > warmup else float(step < total)\n"
         "    return np.float64(max(0.0, min(rise, fall)) if step < total else 0)"),
        ("a tensor", FACTOR + "f = torch.tensor((step + 1) / warmup if step < warmup else (total - step) / max(1, total - warmup))\n"
         "    return f.clamp(0, 1) if step < total else torch.tensor(0.0)"),
    ],
    "lora": [
        ("by F.linear", lora(forward="F.linear(F.linear(x, self.A), self.scale * self.B) + self.base(x)")),
        ("one matrix", lora(forward="F.linear(x, self.base.weight + self.scale * self.B @ self.A, self.base.bias)")),
        ("A by init", lora(a="nn.init.normal_(torch.empty(r, base.in_features), std=base.in_features**-0.5)",
                           merge="self.base.weight.data = self.base.weight + self.alpha * self.B @ self.A / self.r\n"
                           "        nn.init.zeros_(self.B)")),
    ],
    "early-stopping": [
        ("counting back", "class EarlyStopping:\n    def __init__(self, patience, min_delta=0.0):\n"
         "        self.p, self.d, self.i, self.at, self.best, self.kept = patience, min_delta, 0, 0, None, {}\n"
         "    def update(self, score, model):\n        self.i += 1\n"
         "        if score == score and (self.best is None or score - self.d > self.best):\n"
         "            self.best, self.at = score, self.i\n"
         "            self.kept = {k: v.detach().clone() for k, v in model.state_dict().items()}\n"
         "        return np.bool_(self.i - self.at >= self.p)\n"
         "    def restore(self, model):\n        with torch.no_grad():\n"
         "            for k, v in model.state_dict().items():\n                v.copy_(self.kept.get(k, v))"),
    ],
    "fine-tuner": [
        ("Adam by hand", "class FineTuner:\n    def __init__(self, weights, steps):\n"
         "        self.w, self.steps, self.t = {n: w.clone() for n, w in weights.items()}, steps, 0\n"
         "        self.m = {n: torch.zeros_like(w) for n, w in weights.items()}\n"
         "        self.v = {n: torch.zeros_like(w) for n, w in weights.items()}\n"
         "    def update(self, gradients):\n        rate = 4e-3 * min((self.t + 1) / 8, (self.steps - self.t) / (self.steps - 8))\n"
         "        self.t += 1\n        for n, g in gradients.items():\n"
         "            self.m[n] = 0.9 * self.m[n] + 0.1 * g\n            self.v[n] = 0.999 * self.v[n] + 0.001 * g * g\n"
         "            m, v = self.m[n] / (1 - 0.9**self.t), self.v[n] / (1 - 0.999**self.t)\n"
         "            self.w[n] = self.w[n] - rate * m / (v.sqrt() + 1e-8)\n        return self.w"),
    ],
}  # fmt: skip

# Mutants that answer alike, by name -> why.
EQUIVALENT = {
    "freezing: raise ValueError(f'no parameter lies under {missing[0]!r}') → "
    "raise ValueError(f'no parameter lies under {missing[-1]!r}')": "which of several slips is named is free",
    "fine-tuner: nn.utils.clip_grad_norm_(self.weights.values(), 1.0) → nothing": "at this rate few gradients are clipped",
}
