"""Lab 5: known-wrong answers, second right ones, and mutants that change nothing."""

SLOW = ("train",)

CUT = """
def cut(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        mark, end = {mark}, len(word)
        while end > start and mark + word[start:end] not in vocabulary:
            end -= 1
        if end == start:
            return {unknown}
        pieces.append({piece})
        start = end
    return pieces
"""


def cut(mark: str = '"##" if start else ""', unknown: str = '["[UNK]"]', piece: str = "mark + word[start:end]") -> str:
    return CUT.format(mark=mark, unknown=unknown, piece=piece)


TOKENIZE = """
def tokenize(text, vocabulary):
    spaced = {spaced}
    return [piece for word in {words} for piece in cut(word, vocabulary)]
"""
SPACED = '"".join(f" {c} " if alone(c) else c for c in text.lower())'


def tokenize(spaced: str = SPACED, words: str = "spaced.split()") -> str:
    return TOKENIZE.format(spaced=spaced, words=words)


ASSEMBLE = """
def assemble(a, b, longest):
    {copy}
    room = longest - {extra}
    while len(a) + len(b) > room:
        {shorten}
    first, second = [CLS, *a, SEP], {second}
    return first + second, {segments}
"""


def assemble(
    copy: str = "a, b = list(a), list(b)",
    extra: str = "(3 if b else 2)",
    shorten: str = "(a if len(a) >= len(b) else b).pop()",
    second: str = "[*b, SEP] if b else []",
    segments: str = "[0] * len(first) + [1] * len(second)",
) -> str:
    return ASSEMBLE.format(copy=copy, extra=extra, shorten=shorten, second=second, segments=segments)


PAD_ROWS = """
def pad(rows):
    ids = torch.full((len(rows), {width}), {fill})
    segments, mask = torch.{segments}_like(ids), torch.zeros_like(ids)
    for i, (row, parts) in enumerate(rows):
        at = slice({start}, {start} + len(row))
        ids[i, at], segments[i, at] = torch.tensor(row), torch.tensor(parts)
        mask[i, at] = 1
    return ids, segments, {mask}
"""


def pad(
    width: str = "max(len(row) for row, _ in rows)", fill: str = "PAD", segments: str = "zeros", start: str = "0",
    mask: str = "mask",
) -> str:  # fmt: skip
    return PAD_ROWS.format(width=width, fill=fill, segments=segments, start=start, mask=mask)


MASKING = """
def mask_tokens(ids, u, v, words, rate):
    chosen = {chosen}
    inputs = {masked}
    inputs = torch.where({other}, words, inputs)
    return inputs, {labels}
"""


def masking(
    chosen: str = "(u < rate) & (ids >= len(SPECIAL))",
    masked: str = "ids.masked_fill(chosen & (v < 0.8), MASK)",
    other: str = "chosen & (v >= 0.8) & (v < 0.9)",
    labels: str = "ids.masked_fill(~chosen, IGNORE)",
) -> str:
    return MASKING.format(chosen=chosen, masked=masked, other=other, labels=labels)


PLACES = """
def word_places(pieces):
    words = []
    for place, piece in enumerate(pieces):
        if {more}:
            words[-1].append(place)
        elif {word}:
            words.append([{place}])
    return words
"""


def places(more: str = 'piece.startswith("##")', word: str = "piece not in SPECIAL", place: str = "place") -> str:
    return PLACES.format(more=more, word=word, place=place)


CHOOSE = """
def choose_words(words, order, budget):
    places = []
    for number in {order}:
        if {fits}:
            places += words[number]
        {otherwise}
    return {answer}
"""
FITS = "len(places) + len(words[number]) <= budget"


def choose(order: str = "order", fits: str = FITS, otherwise: str = "pass", answer: str = "sorted(places)") -> str:
    return CHOOSE.format(order=order, fits=fits, otherwise=otherwise, answer=answer)


LOSS = """
def mlm_loss(logits, labels):
    asked = {asked}
    z, y, n = logits[asked], labels[asked], {n}
    z = {z}
    log_p = z - np.log(np.exp(z).sum({axis}, keepdims=True))
    true, p, gradient = (np.arange(len(y)), y), {p}, np.{rest}_like(logits)
    {minus}
    gradient[asked] = {gradient}
    return {loss}, gradient
"""


def loss(
    asked: str = "labels != IGNORE",
    n: str = "max(1, asked.sum())",
    z: str = "z - z.max(1, keepdims=True)",
    axis: str = "1",
    p: str = "np.exp(log_p)",
    rest: str = "zeros",
    minus: str = "p[true] -= 1",
    gradient: str = "p / n",
    loss: str = "-log_p[true].sum() / n",
) -> str:
    return LOSS.format(
        asked=asked, n=n, z=z, axis=axis, p=p, rest=rest, minus=minus, gradient=gradient, loss=loss
    )  # fmt: skip


TRAIN = "def train(batches, pieces):\n    {body}\n"

WRONG: dict[str, list[tuple[str, str]]] = {
    "pieces": [
        ("no mark inside words", cut(mark='""')),
        ("the mark is looked for and then left out", cut(piece="word[start:end]")),
        ("only the rest is unknown", cut(unknown='pieces + ["[UNK]"]')),
        ("what was found so far is kept", cut(unknown="pieces")),
        (
            "shortest match first",
            """
def cut(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        ends = range(start + 1, len(word) + 1)
        end = next((end for end in ends if mark + word[start:end] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(mark + word[start:end])
        start = end
    return pieces
""",
        ),
        (
            "tries other ways, not greedy",
            """
def cut(word, vocabulary):
    def ways(start):
        if start == len(word):
            return []
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary and (rest := ways(end)) is not None:
                return [piece, *rest]
        return None
    return ways(0) or ["[UNK]"]
""",
        ),
        ("upper case stays", tokenize(SPACED.replace(".lower()", ""))),
        ("punctuation stays on the word", tokenize("text.lower()")),
        ("a run of marks is one word", tokenize('__import__("re").sub(r"([^a-z\\s]+)", r" \\1 ", text.lower())')),
        ("split at single blanks", tokenize(words='spaced.split(" ")')),
        ("Chinese is not set apart", tokenize(SPACED.replace("alone(c)", "alone(c) and c < '\\x7f'"))),
    ],
    "inputs": [
        ("no last [SEP]", assemble(second="[*b]")),
        ("[SEP] even without b", assemble(second="[*b, SEP]")),
        ("a second [CLS]", assemble(second="[CLS, *b, SEP] if b else []")),
        ("the first [SEP] in segment 1", assemble(segments="[0] * (len(first) - 1) + [1] * (len(second) + 1)")),
        ("one segment", assemble(segments="[0] * (len(first) + len(second))")),
        ("room for special pieces forgotten", assemble(extra="0")),
        ("always three special pieces", assemble(extra="3")),
        ("the second text is cut where they are equal", assemble(shorten="(a if len(a) > len(b) else b).pop()")),
        ("the second text is cut first", assemble(shorten="(b or a).pop()")),
        ("cut at the front", assemble(shorten="(a if len(a) >= len(b) else b).pop(0)")),
        ("the lists themselves are cut", assemble(copy="pass")),
        ("padding in front", pad(start="ids.shape[1] - len(row)")),
        ("a fixed width", pad(width="16")),
        ("filled with [SEP]", pad(fill="SEP")),
        ("padding in segment 1", pad(segments="ones")),
        ("the mask turned round", pad(mask="1 - mask")),
        ("the mask in True and False", pad(mask="mask.bool()")),
    ],
    "masking": [
        ("special pieces may be chosen", masking("u < rate")),
        ("only [PAD] is special", masking("(u < rate) & (ids != PAD)")),
        ("[MASK] is not special", masking("(u < rate) & (ids >= MASK)")),
        ("the rate is included", masking("(u <= rate) & (ids >= len(SPECIAL))")),
        ("always [MASK]", masking(masked="ids.masked_fill(chosen, MASK)", other="chosen & (v < 0)")),
        ("labels only where [MASK] stands", masking(labels="ids.masked_fill(inputs != MASK, IGNORE)")),
        ("labels everywhere", masking(labels="ids")),
        ("labels 0 for nothing", masking(labels="ids.masked_fill(~chosen, 0)")),
        ("labels are what is seen", masking(labels="inputs.masked_fill(~chosen, IGNORE)")),
        ("random everywhere", masking(other="(v >= 0.8) & (v < 0.9)")),
        ("a fifth random", masking(other="chosen & (v >= 0.8)")),
        ("in place", masking(labels="torch.where(chosen, ids.clone(), IGNORE); ids[:] = inputs").replace(
            "return inputs, ", "labels = ") + "    return inputs, labels\n"),
    ],
    "whole-words": [
        ("each piece a word", places(more="False")),
        ("special pieces are words", places(word="True")),
        ("[UNK] is a word", places(word='piece not in ("[CLS]", "[SEP]", "[PAD]", "[MASK]")')),
        ("places from 1", places(place="place + 1")),
        ("only the first piece", places().replace("words[-1].append(place)", "pass")),
        ("the order ignored", choose("range(len(words))")),
        ("stops at the first that does not fit", choose(otherwise="else: break")),
        ("goes beyond the budget", choose(fits="len(places) < budget")),
        ("the budget never reached", choose(fits=FITS.replace("<=", "<"))),
        ("counts words", choose(fits="sum(w[0] in places for w in words) < budget")),
        ("not sorted", choose(answer="places")),
        ("cuts the last word", choose(fits="True", answer="sorted(places[:budget])")),
    ],
    "mlm-loss": [
        ("padding counted", loss(n="labels.size")),
        ("the sum, not the mean", loss(n="1")),
        ("0/0 without labels", loss(n="asked.sum()")),
        ("exp without care", loss(z="z")),
        ("one largest for all", loss(z="z - z.max(initial=-np.inf)")),
        ("softmax over the places", loss(axis="0")),
        ("the sign of the loss", loss(loss="log_p[true].sum() / n")),
        ("gradient without the label", loss(minus="pass")),
        ("gradient not divided", loss(gradient="p")),
        ("gradient of the wrong sign", loss(gradient="-p / n")),
        ("gradient of ones elsewhere", loss(rest="ones")),
        ("log p for p", loss(p="log_p.copy()")),
        ("label 0 counts as none", loss(asked="labels > 0")),
        (
            "the first places, whichever have labels",
            loss(gradient="0; gradient.reshape(-1, logits.shape[-1])[: len(p)] = p / n"),
        ),
    ],
    "train": [
        ("untrained", TRAIN.format(body="return Filler(pieces).eval()")),
        ("always the same word", TRAIN.format(body="return lambda ids: torch.eye(pieces)[9].expand(*ids.shape, -1)")),
        ("without distances", TRAIN.format(body="return fit(Filler(pieces, places=False), batches, pieces)")),
        ("a few batches only", TRAIN.format(body="return fit(Filler(pieces), batches[:40], pieces)")),
        ("a learning rate too small", TRAIN.format(body="return fit(Filler(pieces), batches, pieces, lr=1e-4)")),
        ("hardly any blanks", TRAIN.format(body="return fit(Filler(pieces), batches, pieces, rate=0.005)")),
        ("everything blank", TRAIN.format(body="return fit(Filler(pieces), batches, pieces, rate=1.0)")),
    ],
}  # fmt: skip

ALSO_RIGHT: dict[str, list[tuple[str, str]]] = {
    "pieces": [
        (
            "recursive, with a regular expression for words",
            r"""
import re

def cut(word, vocabulary, mark=""):
    for end in range(len(word), 0, -1):
        if mark + word[:end] in vocabulary:
            rest = cut(word[end:], vocabulary, "##") if word[end:] else []
            return ["[UNK]"] if rest == ["[UNK]"] else [mark + word[:end], *rest]
    return ["[UNK]"]

def tokenize(text, vocabulary):
    found = []
    for word in re.findall(r"[\u4e00-\u9fff]|[a-z0-9]+|[^\sa-z0-9]", text.lower()):
        found.extend(cut(word, vocabulary))
    return found
""",
        ),
    ],
    "inputs": [
        (
            "lengths first, tensors from lists",
            """
def assemble(a, b, longest):
    n, m = len(a), len(b)
    while n + m > longest - 2 - bool(b):
        if n >= m:
            n -= 1
        else:
            m -= 1
    ids = [CLS] + list(a)[:n] + [SEP]
    segments = [0 for _ in ids]
    if b:
        ids = ids + list(b)[:m] + [SEP]
        segments = segments + [1] * (m + 1)
    return (ids, segments)

def pad(rows):
    T = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [PAD] * (T - len(row)) for row, _ in rows])
    segments = torch.tensor([row + [0] * (T - len(row)) for _, row in rows])
    lengths = torch.tensor([len(row) for row, _ in rows])
    return [ids, segments, (torch.arange(T) < lengths[:, None]).long()]
""",
        ),
    ],
    "masking": [
        (
            "place by place",
            """
def mask_tokens(ids, u, v, words, rate):
    inputs, labels = ids.clone(), torch.full_like(ids, IGNORE)
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            if int(ids[b, t]) in (0, 1, 2, 3, 4) or not u[b, t] < rate:
                continue
            labels[b, t] = ids[b, t]
            if v[b, t] < 0.8:
                inputs[b, t] = MASK
            elif v[b, t] < 0.9:
                inputs[b, t] = words[b, t]
    return inputs, labels
""",
        ),
    ],
    "whole-words": [
        (
            "looking ahead, and marking places",
            """
def word_places(pieces):
    begins = [i for i, piece in enumerate(pieces) if piece[:2] != "##" and piece not in SPECIAL]
    found = []
    for i in begins:
        end = i + 1
        while end < len(pieces) and pieces[end][:2] == "##":
            end += 1
        found.append(tuple(range(i, end)))
    return found

def choose_words(words, order, budget):
    taken = set()
    for number in order:
        more = taken | set(words[number])
        taken = more if len(more) <= budget else taken
    return np.array(sorted(taken), dtype=int)
""",
        ),
    ],
    "mlm-loss": [
        (
            "PyTorch's loss and its gradient",
            """
def mlm_loss(logits, labels):
    z, y = torch.tensor(logits, requires_grad=True), torch.tensor(labels).flatten()
    loss = F.cross_entropy(z.flatten(0, 1), y, ignore_index=IGNORE, reduction="sum") / max(1, int((y != IGNORE).sum()))
    loss.backward()
    return loss.item(), z.grad
""",
        ),
    ],
    "train": [
        (
            "PyTorch's loss, always [MASK], two fifths of the places",
            """
def train(batches, pieces):
    network = Filler(pieces)
    adam = torch.optim.Adam(network.parameters(), 0.02)
    falling = torch.optim.lr_scheduler.OneCycleLR(adam, 0.02, total_steps=len(batches))
    for ids in batches:
        chosen = (torch.rand(ids.shape) < 0.4) & (ids >= 5)
        logits = network(torch.where(chosen, MASK, ids))
        adam.zero_grad()
        F.cross_entropy(logits[chosen], ids[chosen]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        falling.step()
    return network.eval()
""",
        ),
    ],
}

EQUIVALENT: dict[str, str] = {
    "masking: inputs = ids.masked_fill(chosen & (v < 0.8), MASK) → "
    "inputs = ids.masked_fill(chosen & (v <= 0.8), MASK)": "at 0.8 the random word is written over it",
    "mlm-loss: z, y, n = (logits[asked], labels[asked], max(1, asked.sum())) → "
    "z, y, n = (logits[asked], labels[asked], max(asked.sum(), 1))": "the larger of two, in either order",
    "train: nn.utils.clip_grad_norm_(network.parameters(), 1.0) → nothing": "another recipe, which learns as well",
    "train: adam.param_groups[0]['lr'] = lr * min((step + 1) / 20, 1 - step / len(batches)) → nothing": (
        "another recipe, which learns as well"
    ),
}
