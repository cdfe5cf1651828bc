"""Known answers to lab 2: wrong ones, one mistake each, and right ones written in another way than the master's."""

SLOW = {"detector"}

# -- box-coding --------------------------------------------------------------------------------------------------------
CODING = """
def parts(boxes):
    x1, y1, x2, y2 = boxes.unbind(dim=1)
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def encode(boxes, anchors):
    (x, y, w, h), (ax, ay, aw, ah) = parts(boxes), parts(anchors)
    return torch.stack([{fx} * (x - ax) / {by}, {fx} * (y - ay) / ah, {fw} * {log}, 5 * torch.log(h / ah)], dim=1)


def decode(t, anchors):
    ax, ay, aw, ah = parts(anchors)
    most = {most}
    x, y = ax + t[:, 0] / 10 * aw, ay + t[:, 1] / 10 * {dh}
    w = aw * torch.exp((t[:, 2] / 5).clamp({low}max=most))
    h = ah * torch.exp((t[:, 3] / 5).clamp({low}max=most))
    return torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], dim=1)
"""
USUAL = {
    "fx": "10", "by": "aw", "fw": "5", "log": "torch.log(w / aw)", "most": "math.log(1000 / 16)", "dh": "ah", "low": "",
}  # fmt: skip


def coding(**mistake: str) -> str:
    return CODING.format(**USUAL | mistake)


# -- iou ---------------------------------------------------------------------------------------------------------------
PAIRS = """
def iou(a, b):
    x1, y1 = torch.maximum(a[:, None, 0], b[:, 0]), torch.maximum(a[:, None, 1], b[:, 1])
    x2, y2 = torch.minimum(a[:, None, 2], b[:, 2]), torch.minimum(a[:, None, 3], b[:, 3])
    both = {both}
    area = lambda c: (c[:, 2] - c[:, 0]{one}) * (c[:, 3] - c[:, 1]{one})
    covered = {covered}
    return {end}
"""
OVERLAP = {
    "both": "(x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)", "one": "",
    "covered": "area(a)[:, None] + area(b) - both",
    "end": "torch.where(covered > 0, both / covered, torch.zeros_like(both))",
}  # fmt: skip


def overlap(**mistake: str) -> str:
    return PAIRS.format(**OVERLAP | mistake)


# -- nms ---------------------------------------------------------------------------------------------------------------
SUPPRESSION = """
def nms(boxes, scores, labels, limit):
    overlap, kept = iou(boxes, boxes), []
    for i in sorted(range(len(boxes)), key=lambda i: {key}):
        if all({free} for j in {among}):
            kept.append(i)
    return {end}
"""
GREEDY = {
    "key": "-float(scores[i])", "free": "overlap[i, j] <= limit or labels[i] != labels[j]", "among": "kept",
    "end": "torch.tensor(kept, dtype=torch.long)",
}  # fmt: skip


def suppression(**mistake: str) -> str:
    return SUPPRESSION.format(**GREEDY | mistake)


BY_SHIFT = """
from torchvision import ops


def nms(boxes, scores, labels, limit):
    order = scores.double().argsort(descending=True, stable=True)
    far = boxes.double() + 1000 * labels[:, None]  # classes are moved apart, so that one NMS does for all
    kept, left = [], order.numpy()
    while left.size:
        kept.append(int(left[0]))
        x = ops.box_iou(far[left[:1]], far[left])[0].numpy()
        left = left[(x <= limit) & (np.arange(left.size) > 0)]
    return np.array(kept, dtype=np.int32)
"""

# -- matching ----------------------------------------------------------------------------------------------------------
MATCH = """
def match(anchors, truth, high, low):
    n = len(anchors)
    y, which = torch.{empty}(n, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    if len(truth) == 0:
        return y, which
    table = iou(anchors, truth)
    y = torch.zeros(n, dtype=torch.long)
    for a in range(n):
        which[a] = table[a].argmax()
        best = table[a].max()
        y[a] = 1 if best {ge} high else 0 if best {lt} low else {between}
    {favourites}
    return {end}
"""
FAVOURITES = """for m in range(len(truth)):
        top = table[:, m].max()
        for a in range(n):
            if table[a, m] == top and {touching}:
                y[a] = 1{more}"""
RULES = {
    "empty": "zeros", "ge": ">=", "lt": "<", "between": "-1", "end": "y, which",
    "favourites": FAVOURITES.format(touching="top > 0", more=""),
}  # fmt: skip


def matching(**mistake: str) -> str:
    return MATCH.format(**RULES | mistake)


FIRST_FAVOURITE = """for m in range(len(truth)):
        if table[:, m].max() > 0:
            y[table[:, m].argmax()] = 1"""

# -- average-precision -------------------------------------------------------------------------------------------------
JUDGE = """
def judge(boxes, scores, truth, limit):
    right, taken = np.zeros(len(boxes), bool), set()
    table = iou(boxes, truth).numpy()
    for n in {order}:
        found = [m for m in range(len(truth)) if m not in taken and table[n, m] {ge} limit]
        if found:
            m = {choice}
            right[n] = True
            {take}
    return right
"""
JUDGED = {
    "order": "np.argsort(-np.asarray(scores), kind='stable')", "ge": ">=",
    "choice": "max(found, key=lambda m: table[n, m])", "take": "taken.add(m)",
}  # fmt: skip
AREA = """
def average_precision(scores, right, objects):
    hits = seen = 0
    points = []
    for n in {order}:
        seen, hits = seen + 1, hits + bool(right[n])
        points.append((hits / {recall}, hits / seen))
    total = 0.0
    for level in range({first}, 101):
        total += {best}
    return total / {by}
"""
AREA_USUAL = {
    "order": "np.argsort(-scores, kind='stable')", "recall": "objects", "first": "0", "by": "101",
    "best": "max((p for r, p in points if 100 * r >= level), default=0.0)",
}  # fmt: skip


def judging(**mistake: str) -> str:
    return JUDGE.format(**JUDGED | mistake)


def area(**mistake: str) -> str:
    return AREA.format(**AREA_USUAL | mistake)


ENVELOPE = """
def average_precision(scores, right, objects):
    right = torch.from_numpy(right)[torch.from_numpy(scores).argsort(descending=True)]
    hits = right.double().cumsum(0)
    precision = hits / torch.arange(1, len(hits) + 1, dtype=torch.float64)
    precision = torch.cat([precision.flip(0).cummax(0).values.flip(0), torch.zeros(1, dtype=torch.float64)])
    place = torch.searchsorted(hits / objects, torch.linspace(0, 1, 101, dtype=torch.float64))
    return precision[place].mean()
"""

# -- detector ----------------------------------------------------------------------------------------------------------
LOSS = """
def loss(logits, offsets, anchors, boxes, labels):
    y, wanted, moves = [], torch.zeros_like(logits), torch.zeros_like(offsets)
    for i, (b, k) in enumerate(zip(boxes, labels)):
        lesson, which = match(anchors, b, {high}, {low})
        good = lesson == 1
        wanted[i, good, {label}] = 1
        if len(b):
            moves[i, good] = {target}
        y.append(lesson)
    y = torch.stack(y)
    sure = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=2)
    move = F.smooth_l1_loss(offsets, moves, reduction="none").sum(dim=2)
    return (sure[{known}].sum() + {weight} * move[y == 1].sum()) / {by}
"""
LEARNED = {
    "high": "0.5", "low": "0.4", "label": "k[which[good]]", "known": "y >= 0", "weight": "1.0",
    "target": "encode(b[which[good]], anchors[good])", "by": "(y == 1).sum().clamp(min=1)",
}  # fmt: skip
DETECT = """
def detect(logits, offsets, anchors):
    scores, labels = {scores}.max(dim=1)
    sure = scores > {least}
    boxes, scores, labels = {decoded}, scores[sure], labels[sure]
    kept = {kept}
    return boxes[kept], scores[kept], labels[kept]
"""
FOUND = {
    "scores": "logits.sigmoid()", "least": "0.03", "decoded": "decode(offsets[sure], anchors[sure]).clamp(0, 64)",
    "kept": "nms(boxes, scores, labels, 0.45)",
}  # fmt: skip


def learning(**mistake: str) -> str:
    return LOSS.format(**LEARNED | mistake)


def finding(**mistake: str) -> str:
    return DETECT.format(**FOUND | mistake)


# -- all of them -------------------------------------------------------------------------------------------------------
WRONG: dict[str, list[tuple[str, str]]] = {
    "box-coding": [
        ("in units of the box, not of the anchor", coding(by="w")),
        ("without the factors", coding(fx="1", fw="1")),
        ("all four times ten", coding(fw="10")),
        ("a ratio in place of its logarithm", coding(log="(w / aw - 1)")),
        ("the logarithm the wrong way round", coding(log="torch.log(aw / w)")),
        ("base two", coding(log="torch.log2(w / aw)")),
        ("no limit of the exponential", coding(most="math.inf")),
        ("the limit before the factor 5 is undone", coding(most="math.log(1000 / 16) / 5")),
        ("cut off on both sides", coding(low="min=-4, ")),
        ("y in units of the width", coding(dh="aw")),
        ("the visible example only", "def encode(boxes, anchors):\n    return torch.tensor([[2.0, 0.0, 0.0, 0.0]])"),
    ],
    "iou": [
        ("negative sides not cut off", overlap(both="(x2 - x1) * (y2 - y1)")),
        ("cut off after the product", overlap(both="((x2 - x1) * (y2 - y1)).clamp(min=0)")),
        ("what is shared counted twice", overlap(covered="area(a)[:, None] + area(b)")),
        ("divided by the smaller box", overlap(covered="torch.minimum(area(a)[:, None], area(b))")),
        ("both corners included", overlap(one=" + 1")),
        ("NaN for boxes without area", overlap(end="both / covered")),
        ("transposed", overlap(end="torch.where(covered > 0, both / covered, 0.0).T")),
        ("box by box, not all pairs", overlap(end="torch.diag(both / covered)")),
        ("constant", "def iou(a, b):\n    return torch.zeros(len(a), len(b))"),
    ],
    "nms": [
        ("blind to classes", suppression(free="overlap[i, j] <= limit")),
        ("equal overlap struck out", suppression(free="overlap[i, j] < limit or labels[i] != labels[j]")),
        (
            "what is struck out strikes out others",
            suppression(among="[j for j in range(len(boxes)) if (scores[j], -j) > (scores[i], -i)]"),
        ),
        ("the least sure first", suppression(key="float(scores[i])")),
        ("ties the wrong way round", suppression(key="(-float(scores[i]), -i)")),
        ("in the list's order", suppression(end="torch.tensor(sorted(kept), dtype=torch.long)")),
        ("a mask in place of indices", suppression(end="torch.tensor([i in kept for i in range(len(boxes))])")),
        ("other classes struck out, own kept", suppression(free="overlap[i, j] <= limit or labels[i] == labels[j]")),
        ("everything kept", "def nms(boxes, scores, labels, limit):\n    return scores.argsort(descending=True)"),
    ],
    "matching": [
        ("no favourites", matching(favourites="pass")),
        ("only the first of the favourites that tie", matching(favourites=FIRST_FAVOURITE)),
        ("favourites without overlap", matching(favourites=FAVOURITES.format(touching="True", more=""))),
        ("the high limit itself left out", matching(ge=">")),
        ("the low limit itself is background", matching(lt="<=")),
        ("nothing is left out", matching(between="0")),
        ("a favourite belongs to the object that favours it",
         matching(favourites=FAVOURITES.format(touching="top > 0", more="; which[a] = m"))),
        ("empty scenes are left out", matching(empty="ones")),
        ("which and y exchanged", matching(end="which, y")),
        ("anchors along the wrong axis", "def match(anchors, truth, high, low):\n"
         "    best, which = iou(anchors, truth).max(dim=0)\n"
         "    return torch.where(best >= high, 1, torch.where(best < low, 0, -1)), which"),
    ],
    "average-precision": [
        ("an object may be taken twice", judging(take="pass")),
        ("in the list's order", judging(order="range(len(boxes))")),
        ("the first object that fits, not the best", judging(choice="found[0]")),
        ("more than the limit", judging(ge=">")),
        ("the best object, also when it is taken", judging(choice="int(table[n].argmax())",
         take="right[n] = m not in taken; taken.add(m)")),
        ("not ordered by score", area(order="range(len(scores))")),
        ("recall of what was found only", area(recall="max(sum(right), 1)")),
        ("no envelope", area(best="next((p for r, p in points if 100 * r >= level), 0.0)")),
        ("100 levels", area(first="1", by="100")),
        ("level 1 is never reached", area(best="max((p for r, p in points if 100 * r > level), default=0.0)")),
        ("plain accuracy", "def average_precision(scores, right, objects):\n    return float(np.mean(right))"),
        ("ranks counted from 0", area(best="max((p * n / max(n - 1, 1) for n, (r, p) in enumerate(points, 1) "
         "if 100 * r >= level), default=0.0)")),
    ],
    "detector": [
        ("no NMS", finding(kept="torch.arange(len(boxes))")),
        ("boxes not decoded", finding(decoded="anchors[sure]")),
        ("only what is nearly certain", finding(least="0.9")),
        ("no box is taught", learning(weight="0.0")),
        ("all objects are of class 0", learning(label="0")),
        ("corners as offsets", learning(target="b[which[good]] - anchors[good]")),
        ("scores by softmax, without background", finding(scores="logits.softmax(dim=1)")),
        ("nothing is ever found", finding(least="1.0")),
        ("divided by the objects, of which there may be none", learning(by="(y == 1).sum()")),
    ],
}  # fmt: skip

ALSO_RIGHT: dict[str, list[tuple[str, str]]] = {
    "box-coding": [
        ("number by number", coding()),
        ("in double precision", coding().replace("boxes.unbind", "boxes.double().unbind")),
    ],
    "iou": [
        ("side by side", overlap()),
        ("torchvision's, with care", "from torchvision import ops\n\n\ndef iou(a, b):\n"
         "    return ops.box_iou(a.double(), b.double()).nan_to_num(0.0).numpy()"),
    ],
    "nms": [
        ("by loops over a table", suppression()),
        ("a list of whole numbers", suppression(end="kept")),
        ("classes moved apart", BY_SHIFT),
    ],
    "matching": [
        ("by loops", matching()),
        ("NumPy arrays", matching(end="y.numpy(), which.numpy().astype('int32')")),
    ],
    "average-precision": [
        ("by loops", judging() + area()),
        ("as a list, and by the envelope", judging().replace("return right", "return right.tolist()") + ENVELOPE),
    ],
    "detector": [
        ("vectorised, and the best class of each anchor only", learning() + finding()),
        ("another limit, other weights", learning(low="0.35", weight="1.2")),
    ],
}  # fmt: skip

EQUIVALENT: dict[str, str] = {
    "iou: corner = torch.maximum(a[:, None, :2], b[None, :, :2])"
    " → corner = torch.maximum(b[None, :, :2], a[:, None, :2])": "a maximum is symmetric",
    "iou: opposite = torch.minimum(a[:, None, 2:], b[None, :, 2:])"
    " → opposite = torch.minimum(b[None, :, 2:], a[:, None, 2:])": "a minimum is symmetric",
    "iou: return shared / (area_a[:, None] + area_b - shared).clamp(min=1e-09)"
    " → return shared / (area_a[:, None] + area_b - "
    "shared).clamp(min=1.5000000000000002e-09)": "both are far below any area, and above 0",
    "nms: overlap = iou(boxes[best][None], boxes[order])[0]"
    " → overlap = iou(boxes[best][None], boxes[order])[-1]": "there is one row",
    "nms: return torch.tensor(kept, dtype=torch.long)"
    " → return torch.tensor(kept)": "differs only for no box, where no index has a type",
    "matching: return (torch.zeros(len(anchors), dtype=torch.long), torch.zeros(len(anchors), dtype=torch.long))"
    " → return (torch.zeros(len(anchors)), torch.zeros(len(anchors), "
    "dtype=torch.long))": "y is compared by value: 0.0 is background, too",
    "matching: return (torch.zeros(len(anchors), dtype=torch.long), torch.zeros(len(anchors), dtype=torch.long))"
    " → return (torch.zeros(len(anchors), dtype=torch.long), torch.ones(len(anchors), "
    "dtype=torch.long))": "without objects there is no right `which`",
    "average-precision: best, m = overlap[n].max(dim=0)"
    " → best, m = overlap[n].max(dim=-1)": "there is one axis",
    "average-precision: for n in scores.argsort(descending=True, stable=True).tolist():"
    " → for n in scores.argsort(descending=True).tolist():": "the order of equal scores is not asked",
    "average-precision: for n in scores.argsort(descending=True, stable=True).tolist():"
    " → for n in scores.argsort(descending=True, stable=False).tolist():": "the order of equal scores is not asked",
    "average-precision: order = np.argsort(-scores, kind='stable')"
    " → order = np.argsort(-scores)": "the order of equal scores is not asked",
    "average-precision: levels = np.linspace(0, 1, 101)"
    " → levels = np.linspace(1, 0, 101)": "a mean has no order",
    "average-precision: overlap[:, m] = -1"
    " → overlap[:, m] = -0": "below any limit above 0",
    "average-precision: overlap[:, m] = -1"
    " → overlap[:, m] = -2": "below any limit",
    "average-precision: right = torch.zeros(len(boxes), dtype=torch.bool)"
    " → right = torch.zeros(len(boxes))": "compared by value: 1.0 is right, too",
}  # fmt: skip
