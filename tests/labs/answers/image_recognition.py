"""Known answers to lab 1: wrong ones, one mistake each, and right ones written in another way than the master's."""

SLOW = {"learner"}

STANDARDISE = """
def standardise(images, mean, std):
    {}
"""
BATCHES = """
def batches(n, batch_size, rng):
    {}
"""

BLOCK = """
class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        a, b = in_channels, out_channels
        self.conv1 = nn.Conv2d(a, b, 3, {stride1}, padding=1, bias={bias})
        self.norm1 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3, {stride2}, padding=1, bias={bias})
        self.norm2 = nn.BatchNorm2d(b)
        self.change = {change}
        if self.change:
            self.project = nn.Conv2d(a, b, {kernel}, stride, padding={kernel} // 2, bias={bias})
            self.norm3 = {norm3}

    def forward(self, x):
        out = {middle}
        out = self.norm2(self.conv2(out))
        skip = self.norm3(self.project(x)) if self.change else x
        return {end}
"""
USUAL = {
    "stride1": "stride", "stride2": "1", "bias": "False", "change": "stride != 1 or a != b", "kernel": "1",
    "norm3": "nn.BatchNorm2d(b)", "middle": "F.relu(self.norm1(self.conv1(x)))", "end": "F.relu(out + skip)",
}  # fmt: skip


def block(**mistake: str) -> str:
    return BLOCK.format(**{**USUAL, **mistake})


ONE_CYCLE = """
def one_cycle(step, total_steps, max_lr):
    first, last, peak, end = max_lr / 25, max_lr / 25e4, {peak}, {end}
    if step <= peak:
        f = step / peak
        return first + (max_lr - first) * {up}
    f = (step - peak) / (end - peak)
    return last + (max_lr - last) * {down}
"""
WAVES = {
    "peak": "0.3 * total_steps - 1", "end": "total_steps - 1", "up": "(1 - np.cos(np.pi * f)) / 2",
    "down": "(1 + np.cos(np.pi * f)) / 2",
}  # fmt: skip


def cycle(**mistake: str) -> str:
    return ONE_CYCLE.format(**{**WAVES, **mistake})


INTERVAL = """
def accuracy_interval(correct, z={z}):
    n, p = {n}, {p}
    q = {q}
    centre, half = (p + q / (2 * n)) / (1 + q / n), z / (1 + q / n) * np.sqrt({spread})
    return {answer}
"""
WILSON = {
    "z": "1.96", "n": "len(correct)", "p": "np.mean(correct)", "q": "z**2", "answer": "p, centre - half, centre + half",
    "spread": "p * (1 - p) / n + z**2 / (4 * n**2)",
}  # fmt: skip


def interval(**mistake: str) -> str:
    return INTERVAL.format(**{**WILSON, **mistake})


CALIBRATION = """
def calibration_error(probabilities, labels, bins={bins}):
    confidence, right = {confidence}, probabilities.argmax(axis=1) == labels
    total, edges = 0.0, np.linspace({low}, 1, bins + 1)
    for low, high in zip(edges[:-1], edges[1:]):
        inside = {inside}
        if inside.any():
            total += {weight} * {gap}
    return {answer}
"""
GUO = {
    "bins": "15", "confidence": "probabilities.max(axis=1)", "low": "0", "weight": "inside.sum() / len(labels)",
    "inside": "(confidence > low) & (confidence <= high)", "answer": "total",
    "gap": "abs(right[inside].mean() - confidence[inside].mean())",
}  # fmt: skip


def calibration(**mistake: str) -> str:
    return CALIBRATION.format(**{**GUO, **mistake})


LEARNER = """
class Learner(FlatLearner):
    def __init__(self, calls, mean, std):
        super().__init__(calls, mean, std)
        self.calls, self.call = calls, 0
        self.network = {network}
        self.optimizer = {optimizer}

    def learn(self, images, labels):
        {before}
        self.call += 1
        logits = self.network({inputs})
        {zero}
        F.cross_entropy({logits}, torch.as_tensor({labels})).backward()
        {step}

    def predict(self, images):
        {mode}
        with torch.no_grad():
            return {answer}
"""
PLAIN = {
    "network": "SmallResNet()", "before": "self.network.train()", "logits": "logits", "labels": "labels",
    "optimizer": "torch.optim.AdamW(self.network.parameters(), lr=0.004)", "step": "self.optimizer.step()",
    "inputs": "torch.from_numpy(standardise(images, self.mean, self.std))", "zero": "self.network.zero_grad()",
    "mode": "self.network.eval()",
    "answer": "self.network(torch.from_numpy(standardise(images, self.mean, self.std)))",
}  # fmt: skip


def learner(**mistake: str) -> str:
    return LEARNER.format(**{**PLAIN, **mistake})


WRONG = {
    "batches": [
        ("the last, short batch is dropped", BATCHES.format(
            "order = rng.permutation(n)\n"
            "    return [order[i : i + batch_size] for i in range(0, n - batch_size + 1, batch_size)]")),
        ("not divided by 255", STANDARDISE.format("return ((images.astype(np.float32) - mean) / std)[:, None]")),
        ("float64", STANDARDISE.format("return ((images / 255 - mean) / std)[:, None]")),
        ("float64 where the mean is a NumPy scalar", STANDARDISE.format(
            "return ((images.astype(np.float32) / 255 - mean) / std)[:, None]")),
        ("the channel axis last", STANDARDISE.format(
            "return ((images / 255 - mean) / std).astype(np.float32)[..., None]")),
        ("divided before subtracting", STANDARDISE.format(
            "return (images / 255 / std - mean).astype(np.float32)[:, None]")),
        ("shaped for 28 × 28 alone", STANDARDISE.format(
            "return ((images / 255 - mean) / std).astype(np.float32).reshape(-1, 1, 28, 28)")),
        ("each batch's own mean and deviation", STANDARDISE.format(
            "x = images.astype(np.float32) / 255\n    return ((x - x.mean()) / (x.std() + 1e-6))[:, None]")),
        ("the input is changed in place", STANDARDISE.format(
            "out = ((images / 255 - mean) / std).astype(np.float32)[:, None]\n    images[:] = 0\n    return out")),
        ("in order, not shuffled", BATCHES.format(
            "return [np.arange(n)[i : i + batch_size] for i in range(0, n, batch_size)]")),
        ("drawn with replacement", BATCHES.format(
            "return [rng.integers(0, n, min(batch_size, n - i)) for i in range(0, n, batch_size)]")),
        ("a generator of its own", BATCHES.format(
            "order = np.random.default_rng(0).permutation(n)\n"
            "    return [order[i : i + batch_size] for i in range(0, n, batch_size)]")),
        ("NumPy's global generator", BATCHES.format(
            "order = np.random.permutation(n)\n"
            "    return [order[i : i + batch_size] for i in range(0, n, batch_size)]")),
        ("turned, not shuffled", BATCHES.format(
            "order = np.roll(np.arange(n), rng.integers(0, n))\n"
            "    return [order[i : i + batch_size] for i in range(0, n, batch_size)]")),
        ("only the batches are shuffled", BATCHES.format(
            "parts = [np.arange(n)[i : i + batch_size] for i in range(0, n, batch_size)]\n"
            "    return sorted(parts, key=lambda part: (len(part) < batch_size, rng.random()))")),
        ("never ends", BATCHES.format(
            "while True:\n        order = rng.permutation(n)\n"
            "        yield from (order[i : i + batch_size] for i in range(0, n, batch_size))")),
        ("the visible example by heart", BATCHES.format(
            "order = rng.permutation(10 if n == 10 else 100)\n"
            "    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]")),
    ],
    "residual-block": [
        ("no ReLU at the end", block(end="out + skip")),
        ("ReLU before the sum", block(end="F.relu(out) + skip")),
        ("no shortcut", block(end="F.relu(out + 0 * skip)")),
        ("no ReLU in the middle", block(middle="self.norm1(self.conv1(x))")),
        ("ReLU before the batch norm", block(middle="self.norm1(F.relu(self.conv1(x)))")),
        ("stride in the second convolution", block(stride1="1", stride2="stride")),
        ("convolutions with a bias", block(bias="True")),
        ("no batch norm in the shortcut", block(norm3="nn.Identity()")),
        ("a 3 × 3 convolution in the shortcut", block(kernel="3")),
        ("always a projection", block(change="True")),
        ("a projection for other channels only", block(change="a != b")),
        ("one batch norm used twice", block(middle="F.relu(self.norm2(self.conv1(x)))")),
        ("the mean of F(x) and the shortcut", block(end="F.relu((out + skip) / 2)")),
        ("GELU for ReLU", block(end="F.gelu(out + skip)")),
        ("the input is changed in place", block(end="F.relu(x.add_(out)) if not self.change else F.relu(out + skip)")),
    ],
    "one-cycle": [
        ("a constant rate", "def one_cycle(step, total_steps, max_lr):\n    return max_lr"),
        ("the peak one step late", cycle(peak="0.3 * total_steps")),
        ("the end one step late", cycle(end="total_steps")),
        ("a straight way up", cycle(up="f")),
        ("a straight way down", cycle(down="(1 - f)")),
        ("a quarter of a wave for half of one", cycle(up="np.sin(np.pi * f / 2)")),
        ("the peak at a whole step", cycle(peak="max(int(0.3 * total_steps) - 1, 1)")),
        ("the peak in the middle", cycle(peak="0.5 * total_steps - 1")),
        ("right for 101 steps only", cycle(peak="29.3")),
        ("right for a peak of 0.5 only", cycle() + "\n_one = one_cycle\n"
         "def one_cycle(step, total_steps, max_lr):\n    return _one(step, total_steps, 0.5)\n"),
    ],
    "accuracy-interval": [
        ("the normal approximation", interval(q="0", spread="p * (1 - p) / n")),
        ("the spread without its second term", interval(spread="p * (1 - p) / n")),
        ("n − 1 for n", interval(n="len(correct) - 1 or 1")),
        ("z not squared", interval(q="z")),
        ("low and high exchanged", interval(answer="p, centre + half, centre - half")),
        ("the number right for the rate", interval(answer="p * n, centre - half, centre + half")),
        ("the centre for the accuracy", interval(answer="centre, centre - half, centre + half")),
        ("z left out is 1.64", interval(z="1.64")),
        ("z is ignored", interval(q="1.96**2", spread="p * (1 - p) / n + 1.96**2 / (4 * n**2)").replace(
            "centre, half", "z = 1.96\n    centre, half")),
        ("the visible example by heart", "def accuracy_interval(correct, z=1.96):\n"
         "    p = correct.mean()\n    return (p, 0.49016, 0.94331) if p == 0.8 else (p, p - 0.2, 1.0)"),
        ("cut to three digits", interval(answer="tuple(round(x, 3) for x in (p, centre - half, centre + half))")),
    ],
    "calibration-error": [
        ("bins that count alike", calibration(weight="1 / bins")),
        ("the largest gap", calibration(gap="max(abs(right[inside].mean() - confidence[inside].mean()) - total, 0)",
                                        weight="1")),
        ("no absolute value", calibration(gap="(right[inside].mean() - confidence[inside].mean())")),
        ("one minus the accuracy", "def calibration_error(probabilities, labels, bins=15):\n"
         "    return float((probabilities.argmax(axis=1) != labels).mean())"),
        ("one bin", "def calibration_error(probabilities, labels, bins=15):\n"
         "    right = probabilities.argmax(axis=1) == labels\n"
         "    return abs(right.mean() - probabilities.max(axis=1).mean())"),
        ("the lower edge belongs to a bin, the upper not", calibration(
            inside="(confidence >= low) & (confidence < high)")),
        ("the lower edge too, except at 1", calibration(
            inside="(confidence >= low) & ((confidence < high) | (high == 1))")),
        ("NaN for an empty bin", calibration().replace("        if inside.any():\n            total", "        total")),
        ("the middle of the bin for the confidence", calibration(gap="abs(right[inside].mean() - (low + high) / 2)")),
        ("the first class for the largest", calibration(confidence="probabilities[:, 0]")),
        ("squared gaps", calibration(gap="(right[inside].mean() - confidence[inside].mean()) ** 2")),
        ("10 bins when none are named", calibration(bins="10")),
        ("bins are ignored", calibration().replace("bins + 1", "11")),
        ("in per cent", calibration(answer="100 * total")),
    ],
    "learner": [
        ("the example", "class Learner(FlatLearner): pass"),
        ("never learns", learner(step="pass")),
        ("gradients pile up", learner(zero="pass", optimizer="torch.optim.SGD(self.network.parameters(), lr=0.1)")),
        ("a rate far too small", learner(optimizer="torch.optim.AdamW(self.network.parameters(), lr=1e-5)")),
        ("a rate far too large", learner(optimizer="torch.optim.AdamW(self.network.parameters(), lr=3.0)")),
        ("uphill", learner(optimizer="torch.optim.SGD(self.network.parameters(), lr=0.1, maximize=True)")),
        ("one class for every picture", learner(answer="torch.eye(10)[:1].repeat(len(images), 1)")),
        ("predicts in training mode", learner(mode="pass")),
        ("learns from the first batch only", learner(before="if self.call: return")),
        ("classes for logits", learner(
            answer="self.network(torch.from_numpy(standardise(images, self.mean, self.std))).argmax(1)")),
        ("a new network at each call", learner(before="self.__init__(self.calls, self.mean, self.std)")),
        ("labels of the batch shuffled", learner(labels="np.random.permutation(labels)")),
        ("predicts on raw bytes", learner(answer="self.network(torch.from_numpy(images).float()[:, None])")),
    ],
}  # fmt: skip

ALSO_RIGHT = {
    "batches": [
        ("torch for NumPy, in double precision until the end", STANDARDISE.format(
            "x = torch.from_numpy(images.copy()).double().div(255).sub(float(mean)).div(float(std))\n"
            "    return x.float().unsqueeze(1)")),
        ("a look-up table of 256 values", STANDARDISE.format(
            "table = ((np.arange(256) / 255 - mean) / std).astype(np.float32)\n    return table[images][:, None]")),
        ("lists of Python numbers, sliced from a shuffled list", BATCHES.format(
            "order = list(range(n))\n    rng.shuffle(order)\n"
            "    return [order[i : i + batch_size] for i in range(0, n, batch_size)]")),
        ("array_split at the edges", BATCHES.format(
            "return np.split(rng.permutation(n), range(batch_size, n, batch_size))")),
    ],
    "residual-block": [
        ("layers one by one", block()),
        ("layers of the shortcut first", '''
class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.skip = None
        if (in_channels, 1) != (out_channels, stride):
            self.skip = nn.ModuleList([
                nn.BatchNorm2d(out_channels), nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(out_channels) for _ in range(2)])
        self.last = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.first = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)

    def forward(self, x):
        y = self.norms[1](self.first(x)).clamp(min=0)
        y = self.norms[0](self.last(y))
        y += x if self.skip is None else self.skip[0](self.skip[1](x))
        return y.clamp(min=0)
'''),
    ],
    "one-cycle": [
        ("from the template", cycle()),
        ("torch's own schedule", '''
def one_cycle(step, total_steps, max_lr):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr, total_steps=total_steps)
    for _ in range(step):
        optimizer.step()
        schedule.step()
    return optimizer.param_groups[0]["lr"]
'''),
        ("a tensor in double precision", '''
def one_cycle(step, total_steps, max_lr):
    peak = 0.3 * total_steps - 1
    rise = step <= peak
    f = torch.tensor(step / peak if rise else (step - peak) / (total_steps - 1 - peak), dtype=torch.float64)
    a, b = (max_lr / 25, max_lr) if rise else (max_lr, max_lr / 25e4)
    return b + (a - b) * torch.cos(torch.pi * f / 2) ** 2
'''),
    ],
    "accuracy-interval": [
        ("from the template", interval()),
        ("roots of the quadratic equation", '''
def accuracy_interval(correct, z=1.96):
    n, right = len(correct), int(np.count_nonzero(correct))
    roots = np.roots([n + z**2, -(2 * right + z**2), right**2 / n])
    return np.array([right / n, *np.sort(roots.real)])
'''),
    ],
    "calibration-error": [
        ("edges and a loop", calibration()),
        ("sums by bin, vectorised", '''
def calibration_error(probabilities, labels, bins=15):
    p = torch.as_tensor(probabilities).double()
    confidence, answer = p.max(dim=1)
    gap = (answer == torch.as_tensor(labels)).double() - confidence
    number = torch.ceil(confidence * bins).long().clamp(1, bins) - 1
    return torch.zeros(bins, dtype=torch.double).index_add_(0, number, gap).abs().sum() / len(p)
'''),
    ],
    "learner": [
        ("AdamW at a rate that falls", learner(
            before="self.network.train()\n"
            "        self.optimizer.param_groups[0]['lr'] = 0.01 * (1 - self.call / self.calls)")),
    ],
}  # fmt: skip

EQUIVALENT: dict[str, str] = {}
