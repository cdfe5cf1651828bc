"""Lab 4: known-wrong answers, second right ones, and mutants that change nothing."""

PAIRS = """
def skip_pairs(sentences, window):
    pairs = []
    for ids in sentences:
        for i, word in enumerate(ids):
            {loop}
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
"""

LOSS = """
def pair_loss(u, v, w, c, noise, k):
    words = u[w]
    near = {near}
    far = {far}
    return {total}
"""
NEAR, FAR, TOTAL = (
    "F.logsigmoid((words * v[c]).sum(1))",
    "F.logsigmoid(-words @ v[noise].T).mean(1)",
    "-(near + k * far).mean()",
)


def loss(near: str = NEAR, far: str = FAR, total: str = TOTAL) -> str:
    return LOSS.format(near=near, far=far, total=total)


NEAREST = """
def nearest(vectors, query, n, exclude=()):
    {lengths}
    scores = {scores}
    {excluded}
    return {answer}
"""
LENGTHS = "lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)"
SCORES, EXCLUDED = "vectors @ query / lengths", "scores[list(exclude)] = -np.inf"
ANSWER = "np.argsort(-scores)[:n].tolist()"


def nearest(lengths: str = LENGTHS, scores: str = SCORES, excluded: str = EXCLUDED, answer: str = ANSWER) -> str:
    return NEAREST.format(lengths=lengths, scores=scores, excluded=excluded, answer=answer)


ANALOGY = """
def analogy(vectors, a, b, c):
    unit = {unit}
    return nearest(unit, {query}, 1, {exclude})[0]
"""
UNIT = "vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)"
SUM = "unit[b] - unit[a] + unit[c]"


def analogy(unit: str = UNIT, query: str = SUM, exclude: str = "(a, b, c)") -> str:
    return ANALOGY.format(unit=unit, query=query, exclude=exclude)


ATTENTION = """
def attention(q, k, v, mask=None):
    scores = {scores}
    if mask is not None:
        scores = {masked}
    shares = {shares}
    return shares @ v, shares
"""
PRODUCTS = "q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])"
MASKED = "scores.masked_fill(~mask, -math.inf)"


def attention(scores: str = PRODUCTS, masked: str = MASKED, shares: str = "scores.softmax(-1)") -> str:
    return ATTENTION.format(scores=scores, masked=masked, shares=shares)


HEADS = """
class Heads(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.q, self.k, self.v, self.out_proj = (nn.Linear(d, d) for _ in range(4))
        self.h = h

    def forward(self, x, y=None, mask=None):
        y = x if y is None else y
        q, k, v = (self.split(z) for z in ({made}))
        answers, self.shares = {attend}
        return {out}

    def split(self, x):
        return {split}
"""
MADE, ATTEND = "self.q(x), self.k(y), self.v(y)", "attention(q, k, v, mask)"
OUT = "self.out_proj(answers.transpose(1, 2).flatten(2))"
SPLIT = "x.unflatten(-1, (self.h, -1)).transpose(1, 2)"


def heads(made: str = MADE, attend: str = ATTEND, out: str = OUT, split: str = SPLIT) -> str:
    return HEADS.format(made=made, attend=attend, out=out, split=split)


SINUSOIDS = """
def sinusoids(T, d):
    frequencies = {frequencies}
    angles = {places}[:, None] * frequencies
    return {waves}
"""


def sinusoids(
    frequencies: str = "10_000.0 ** (-torch.arange(0, d, 2) / d)",
    places: str = "torch.arange(T)",
    waves: str = "torch.stack([angles.sin(), angles.cos()], -1).flatten(1)",
) -> str:
    return SINUSOIDS.format(frequencies=frequencies, places=places, waves=waves)


SHIFT = """
def shift(s, d):
    angle = {angle}
    R = torch.zeros(d, d)
    for i in range(d // 2):
        sin, cos = math.sin(angle[i]), math.cos(angle[i])
        R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor({block})
    return R
"""
ANGLE, BLOCK = "s * 10_000.0 ** (-torch.arange(0, d, 2) / d)", "[[cos, -sin], [sin, cos]]"


def shift(angle: str = ANGLE, block: str = BLOCK) -> str:
    return SHIFT.format(angle=angle, block=block)


TRAIN = """
def train(batches, pieces):
    {body}
"""

WRONG: dict[str, list[tuple[str, str]]] = {
    "pairs": [
        (
            "one place too few",
            PAIRS.format(
                loop="pairs += [(word, ids[j]) for j in range(max(0, i - window), min(len(ids), i + window)) if j != i]"
            ),
        ),
        ("the right neighbours only", PAIRS.format(loop="pairs += [(word, b) for b in ids[i + 1 : i + window + 1]]")),
        (
            "negative indices count from the end",
            PAIRS.format(
                loop="pairs += [(word, ids[j]) for j in range(i - window, min(len(ids), i + window + 1)) if j != i]"
            ),
        ),
        (
            "a word that stands twice is left out",
            PAIRS.format(loop="pairs += [(word, b) for b in ids[max(0, i - window) : i + window + 1] if b != word]"),
        ),
        (
            "each with itself, too",
            PAIRS.format(loop="pairs += [(word, b) for b in ids[max(0, i - window) : i + window + 1]]"),
        ),
        (
            "across the border of sentences",
            """
def skip_pairs(sentences, window):
    ids = [i for s in sentences for i in s]
    pairs = [(a, ids[j]) for i, a in enumerate(ids) for j in range(len(ids)) if 0 < abs(i - j) <= window]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
""",
        ),
        (
            "each pair once",
            """
def skip_pairs(sentences, window):
    pairs = {(a, s[j]) for s in sentences for i, a in enumerate(s) for j in range(len(s)) if 0 < abs(i - j) <= window}
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
""",
        ),
        (
            "no columns where there is no pair",
            """
def skip_pairs(sentences, window):
    return np.array([(a, s[j]) for s in sentences for i, a in enumerate(s) for j in range(len(s))
                     if 0 < abs(i - j) <= window], dtype=np.int64)
""",
        ),
        (
            "the example of the check",
            "def skip_pairs(sentences, window):\n    return np.array([(7, 8), (8, 7), (8, 9), (9, 8)])",
        ),
    ],
    "negative-sampling": [
        ("plain frequencies", "def noise_chances(counts):\n    return counts / counts.sum()"),
        ("not normalised", "def noise_chances(counts):\n    return counts ** 0.75"),
        ("normalised before the power", "def noise_chances(counts):\n    return (counts / counts.sum()) ** 0.75"),
        (
            "one is added to all counts",
            "def noise_chances(counts):\n    w = (counts + 1) ** 0.75\n    return w / w.sum()",
        ),
        (
            "the logarithm of the sigmoid",
            loss("torch.sigmoid((words * v[c]).sum(1)).log()", "torch.sigmoid(-words @ v[noise].T).log().mean(1)"),
        ),
        (
            "guarded by a small number",
            loss(
                "(torch.sigmoid((words * v[c]).sum(1)) + 1e-7).log()",
                "(torch.sigmoid(-words @ v[noise].T) + 1e-7).log().mean(1)",
            ),
        ),
        ("noise without its minus", loss(far="F.logsigmoid(words @ v[noise].T).mean(1)")),
        ("k forgotten", loss(total="-(near + far).mean()")),
        ("noise summed instead of averaged", loss(far="F.logsigmoid(-words @ v[noise].T).sum(1)")),
        ("the words' own vectors as neighbours", loss("F.logsigmoid((words * u[c]).sum(1))")),
        ("the batch summed", loss(total="-(near + k * far).sum()")),
        ("the sign", loss(total="(near + k * far).mean()")),
        ("constant", "def pair_loss(u, v, w, c, noise, k):\n    return (1 + k) * math.log(2)"),
    ],
    "nearest": [
        ("products, not cosines", nearest(scores="vectors @ query")),
        ("distances", nearest(scores="-np.linalg.norm(vectors - query, axis=1)")),
        ("furthest first", nearest(answer="np.argsort(scores)[:n].tolist()")),
        ("excludes nothing", nearest(excluded="pass")),
        (
            "skips the first, which is mostly the query itself",
            nearest(answer="np.argsort(-scores)[1 : n + 1].tolist()"),
        ),
        ("zero rows give NaN", nearest(lengths="lengths = np.linalg.norm(vectors, axis=1)")),
        (
            "in place",
            nearest(
                scores="vectors @ query / lengths",
                excluded="scores[list(exclude)] = -np.inf; vectors[list(exclude)] = 0",
            ),
        ),
        ("analogy with the wrong sign", analogy(query="unit[a] - unit[b] + unit[c]")),
        ("analogy may answer with its own words", analogy(exclude="()")),
        ("analogy without unit rows", analogy(unit="vectors")),
        ("analogy without arithmetic", analogy(query="unit[c]")),
        ("analogy excludes c alone", analogy(exclude="(c,)")),
    ],
    "attention": [
        ("no root", attention("q @ k.transpose(-2, -1)")),
        ("divided by d", attention("q @ k.transpose(-2, -1) / q.shape[-1]")),
        ("the root of the number of keys", attention("q @ k.transpose(-2, -1) / math.sqrt(k.shape[-2])")),
        ("softmax over the queries", attention(shares="scores.softmax(-2)")),
        ("softmax over all", attention(shares="scores.flatten(-2).softmax(-1).view_as(scores)")),
        ("the mask turned round", attention(masked="scores.masked_fill(mask, -math.inf)")),
        ("the mask ignored", attention(masked="scores")),
        ("zero instead of minus infinity", attention(masked="scores.masked_fill(~mask, 0.0)")),
        ("minus ten instead of minus infinity", attention(masked="scores.masked_fill(~mask, -10.0)")),
        (
            "masked after the softmax",
            """
def attention(q, k, v, mask=None):
    shares = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
    if mask is not None:
        shares = shares * mask
    return shares @ v, shares
""",
        ),
        ("exp without care", attention(shares="scores.exp() / scores.exp().sum(-1, keepdim=True)")),
        ("no matter who asks", attention("k.sum(-1)[..., None, :].expand(*q.shape[:-1], -1)")),
        (
            "padding is visible",
            "def visible(ids, causal=False):\n    m = torch.ones(len(ids), 1, ids.shape[1], "
            "ids.shape[1], dtype=torch.bool)\n    return m.tril() if causal else m",
        ),
        (
            "padding may not ask, but is seen",
            "def visible(ids, causal=False):\n    m = (ids != PAD)[:, None, :, None]"
            ".expand(-1, -1, -1, ids.shape[1])\n    return m.tril() if causal else m",
        ),
        (
            "causal hides the place itself",
            "def visible(ids, causal=False):\n    m = (ids != PAD)[:, None, None, :]"
            ".expand(-1, -1, ids.shape[1], -1)\n    return m.tril(-1) if causal else m",
        ),
        (
            "causal looks ahead",
            "def visible(ids, causal=False):\n    m = (ids != PAD)[:, None, None, :]"
            ".expand(-1, -1, ids.shape[1], -1)\n    return m.triu() if causal else m",
        ),
        (
            "always causal",
            "def visible(ids, causal=False):\n    m = (ids != PAD)[:, None, None, :]"
            ".expand(-1, -1, ids.shape[1], -1)\n    return m.tril()",
        ),
    ],
    "heads": [
        ("the mask forgotten", heads(attend="attention(q, k, v)")),
        ("one head", heads(split="x[:, None]")),
        ("heads take every h-th number", heads(split="x.unflatten(-1, (-1, self.h)).permute(0, 3, 1, 2)")),
        ("tokens cut, not numbers", heads(split="x.reshape(len(x), self.h, x.shape[1], -1)")),
        ("heads not brought back", heads(out="self.out_proj(answers.reshape(x.shape))")),
        ("no last matrix", heads(out="answers.transpose(1, 2).flatten(2)")),
        ("values of those who ask", heads("self.q(x), self.k(y), self.v(x)")),
        ("never asks another", heads("self.q(x), self.k(x), self.v(x)")),
        ("queries and keys exchanged", heads("self.k(x), self.q(y), self.v(y)")),
    ],
    "positions": [
        ("sines first, then cosines", sinusoids(waves="torch.cat([angles.sin(), angles.cos()], 1)")),
        ("cosine and sine exchanged", sinusoids(waves="torch.stack([angles.cos(), angles.sin()], -1).flatten(1)")),
        ("places from 1", sinusoids(places="torch.arange(1, T + 1)")),
        ("i instead of 2i", sinusoids("10_000.0 ** (-torch.arange(d // 2) / d)")),
        ("1,000 instead of 10,000", sinusoids("1_000.0 ** (-torch.arange(0, d, 2) / d)")),
        ("frequencies upside down", sinusoids("10_000.0 ** (torch.arange(0, d, 2) / d)")),
        ("the way back", shift(block="[[cos, sin], [-sin, cos]]")),
        ("no rotation", shift(block="[[1.0, 0.0], [0.0, 1.0]]")),
        ("one frequency for all", shift("s + torch.zeros(d // 2)")),
        ("blind to the sign", shift(ANGLE.replace("s *", "abs(s) *"))),
        ("sines of the wrong sign below", shift(block="[[cos, -sin], [-sin, cos]]")),
    ],
    "train": [
        ("untrained", TRAIN.format(body="return Tagger(pieces).eval()")),
        ("always praised", TRAIN.format(body="return lambda ids: torch.eye(2)[1].expand(*ids.shape, 2)")),
        ("without positions", TRAIN.format(body="return fit(Tagger(pieces, positions=False), batches)")),
        ("one batch only", TRAIN.format(body="return fit(Tagger(pieces), batches[:1])")),
        ("a tenth of the budget", TRAIN.format(body="return fit(Tagger(pieces), batches[:20])")),
        ("a learning rate too small", TRAIN.format(body="return fit(Tagger(pieces), batches, lr=3e-6)")),
        (
            "labels turned round",
            TRAIN.format(
                body="flipped = [(x, torch.where(y < 0, y, 1 - y)) for x, y in batches]\n"
                "    return fit(Tagger(pieces), flipped)"
            ),
        ),
    ],
}

ALSO_RIGHT: dict[str, list[tuple[str, str]]] = {
    "pairs": [
        (
            "by shifting each sentence against itself",
            """
def skip_pairs(sentences, window):
    found = [np.empty((0, 2), np.int64)]
    for ids in map(np.array, sentences):
        for d in range(1, min(window, len(ids) - 1) + 1):
            a, b = ids[:-d], ids[d:]
            found += [np.stack([a, b], 1), np.stack([b, a], 1)]
    return np.concatenate(found).astype(np.int64)
""",
        ),
    ],
    "negative-sampling": [
        (
            "with softplus, in double precision, and a loop over the noise",
            """
def noise_chances(counts):
    weights = [float(n) ** 0.75 for n in counts]
    return torch.tensor([w / sum(weights) for w in weights], dtype=torch.float64)

def pair_loss(u, v, w, c, noise, k):
    u, v = u.double(), v.double()
    total = F.softplus(-(u[w] * v[c]).sum(1))
    for n in noise:
        total = total + k / len(noise) * F.softplus(u[w] @ v[n])
    return total.mean()
""",
        ),
    ],
    "nearest": [
        (
            "in torch",
            """
def nearest(vectors, query, n, exclude=()):
    unit = F.normalize(torch.tensor(vectors), dim=1)
    scores = unit @ F.normalize(torch.tensor(query), dim=0)
    scores[list(exclude)] = -math.inf
    return scores.topk(n).indices

def analogy(vectors, a, b, c):
    unit = F.normalize(torch.tensor(vectors), dim=1)
    query = unit[b] - unit[a] + unit[c]
    return max((i for i in range(len(unit)) if i not in (a, b, c)), key=lambda i: float(unit[i] @ query))
""",
        ),
    ],
    "attention": [
        (
            "query by query, in double precision",
            """
def attention(q, k, v, mask=None):
    scores = torch.einsum("...td,...sd->...ts", q.double(), k.double()) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = torch.where(mask, scores, torch.full_like(scores, -1e30))
    shares = (scores - scores.amax(-1, keepdim=True)).exp()
    shares = shares / shares.sum(-1, keepdim=True)
    return torch.einsum("...ts,...se->...te", shares, v.double()), shares

def visible(ids, causal=False):
    B, T = ids.shape
    mask = torch.zeros(B, 1, T, T, dtype=torch.bool)
    for b in range(B):
        for t in range(T):
            for s in range(t + 1 if causal else T):
                mask[b, 0, t, s] = bool(ids[b, s] != PAD)
    return mask
""",
        ),
    ],
    "heads": [
        (
            "a loop over the heads",
            """
class Heads(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.q, self.k, self.v, self.out_proj = (nn.Linear(d, d) for _ in range(4))
        self.h = h

    def forward(self, x, y=None, mask=None):
        y, answers, shares = x if y is None else y, [], []
        for q, k, v in zip(*(z.chunk(self.h, -1) for z in (self.q(x), self.k(y), self.v(y)))):
            seen = None if mask is None else mask.expand(len(x), 1, x.shape[1], y.shape[1])[:, 0]
            found = attention(q, k, v, seen)
            answers.append(found[0])
            shares.append(found[1])
        self.shares = torch.stack(shares, 1)
        return self.out_proj(torch.cat(answers, -1))
""",
        ),
    ],
    "positions": [
        (
            "place by place, in NumPy",
            """
def sinusoids(T, d):
    codes = np.zeros((T, d))
    for t in range(T):
        for i in range(d // 2):
            codes[t, 2 * i], codes[t, 2 * i + 1] = np.sin(t / 1e4 ** (2 * i / d)), np.cos(t / 1e4 ** (2 * i / d))
    return codes

def shift(s, d):
    blocks = []
    for i in range(d // 2):
        w = s / 1e4 ** (2 * i / d)
        blocks.append(torch.tensor([[np.cos(w), -np.sin(w)], [np.sin(w), np.cos(w)]]))
    return torch.block_diag(*blocks)
""",
        ),
    ],
    "train": [
        (
            "PyTorch's own encoder, learned positions",
            """
class Reader(nn.Module):
    def __init__(self, pieces):
        super().__init__()
        self.words, self.places = nn.Embedding(pieces, 48), nn.Parameter(sinusoids(LONGEST, 48))
        nn.init.normal_(self.words.weight, std=0.3)
        layer = nn.TransformerEncoderLayer(48, 4, 96, 0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(48), enable_nested_tensor=False)
        self.out = nn.Linear(48, 2)

    def forward(self, ids):
        x = self.words(ids) + self.places[: ids.shape[1]]
        return self.out(self.body(x, src_key_padding_mask=ids == PAD))

def train(batches, pieces):
    return fit(Reader(pieces), batches)
""",
        ),
    ],
}

SLOW = ("train",)
EQUIVALENT: dict[str, str] = {
    "pairs: pairs += [(word, ids[j]) for j in reach if j != i] → pairs += [(ids[j], word) for "
    "j in reach if j != i]": "the window is the same seen from either word, so both have the same pairs",
    "pairs: reach = range(max(0, i - window), min(len(ids), i + window + 1)) → reach = "
    "range(max(0, i - window), min(i + window + 1, len(ids)))": "the smaller or larger of two, in either order",
    "pairs: reach = range(max(0, i - window), min(len(ids), i + window + 1)) → reach = "
    "range(max(i - window, 0), min(len(ids), i + window + 1))": "the smaller or larger of two, in either order",
    "pairs: return np.array(pairs, dtype=np.int64).reshape(-1, 2) → return np.array(pairs, "
    "dtype=np.int64).reshape(-2, 2)": "NumPy takes any negative length for the one that is to be found out",
    "negative-sampling: weights = np.asarray(counts, dtype=float) ** 0.75 → weights = "
    "np.asarray(counts) ** 0.75": "a power of 0.75 makes whole numbers real ones",
    "nearest: lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12) → lengths = "
    "np.maximum(1e-12, np.linalg.norm(vectors, axis=1))": "the larger of two, in either order",
    "nearest: lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12) → lengths = "
    "np.maximum(np.linalg.norm(vectors, axis=1), 1.5e-12)": "no length lies between the two",
    "nearest: return nearest(unit, unit[b] - unit[a] + unit[c], 1, (a, b, c))[0] → return "
    "nearest(unit, unit[b] - unit[a] + unit[c], 1, (a, b, c))[-1]": "the list has one row",
    "nearest: return nearest(unit, unit[b] - unit[a] + unit[c], 1, (a, b, c))[0] → return "
    "nearest(unit, unit[b] - unit[a] + unit[c], 1, (a, c, b))[0]": "the same three rows are excluded",
    "nearest: return nearest(unit, unit[b] - unit[a] + unit[c], 1, (a, b, c))[0] → return "
    "nearest(unit, unit[b] - unit[a] + unit[c], 1, (b, a, c))[0]": "the same three rows are excluded",
    "nearest: return nearest(unit, unit[b] - unit[a] + unit[c], 1, (a, b, c))[0] → return "
    "nearest(unit, unit[b] - unit[a] + unit[c], 2, (a, b, c))[0]": "only the first of the rows is used",
    "nearest: unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), "
    "1e-12) → unit = vectors / np.maximum(1e-12, np.linalg.norm(vectors, axis=1, "
    "keepdims=True))": "the larger of two, in either order",
    "nearest: unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), "
    "1e-12) → unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), "
    "1.5e-12)": "no length lies between the two",
    "attention: scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) → scores = q @ "
    "k.transpose(-1, -2) / math.sqrt(q.shape[-1])": "two axes change places, in either order",
    "heads: q, k, v = (z.unflatten(-1, (self.h, -1)).transpose(1, 2) for z in made) → q, k, v "
    "= (z.unflatten(-1, (self.h, -1)).transpose(2, 1) for z in made)": "two axes change places, in either order",
    "heads: return self.out_proj(answers.transpose(1, 2).flatten(2)) → return "
    "self.out_proj(answers.transpose(2, 1).flatten(2))": "two axes change places, in either order",
    "train: nn.utils.clip_grad_norm_(network.parameters(), 1.0) → nothing": "another recipe, which learns as well",
    "train: adam.param_groups[0]['lr'] = lr * min((step + 1) / 20, 1 - step / len(batches)) → "
    "nothing": "another recipe, which learns as well",
    "train: adam.zero_grad() → nothing": "gradients that pile up, clipped and scaled, are a long memory",
}
