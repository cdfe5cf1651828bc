"""Known answers to lab 3: wrong ones, one mistake each, and right ones written in another way than the master's."""

SLOW = {"detector"}


def fill(template: str, usual: dict[str, str], **mistake: str) -> str:
    """The template with its usual parts, but for the mistake."""
    for name, text in (usual | mistake).items():
        template = template.replace(f"<{name}>", text)
    return template


# -- assignment --------------------------------------------------------------------------------------------------------
ASSIGN = """
def assign(boxes, anchors, stride):
    anchor, row, col = [], [], []
    for x1, y1, x2, y2 in boxes.tolist():
        w, h = x2 - x1, y2 - y1
        like = []
        for aw, ah in anchors.tolist():
            both = <both>
            like.append(<like>)
        anchor.append(<best>)
        row.append(<row>)
        col.append(<col>)
    return <end>
"""
ASSIGNED = {
    "both": "min(w, aw) * min(h, ah)", "like": "both / (w * h + aw * ah - both)", "best": "int(np.argmax(like))",
    "row": "int((y1 + y2) / 2 // stride)", "col": "int((x1 + x2) / 2 // stride)",
    "end": "tuple(torch.tensor(part, dtype=torch.long) for part in (anchor, row, col))",
}  # fmt: skip

# -- decoding ----------------------------------------------------------------------------------------------------------
DECODE = """
def decode(t, anchors, stride):
    B, A, H, W, _ = t.shape
    boxes = torch.zeros_like(t)
    for a in range(A):
        for r in range(H):
            for c in range(W):
                tx, ty, tw, th = t[:, a, r, c].T
                x, y = stride * (<x>), stride * (r + <sy>)
                w, h = <aw> * torch.exp(tw.clamp(<range>)), anchors[a, 1] * torch.exp(th.clamp(<range>))
                boxes[:, a, r, c] = torch.stack([<corners>], dim=1)
    return boxes
"""
DECODED = {
    "x": "c + torch.sigmoid(tx)", "sy": "torch.sigmoid(ty)", "aw": "anchors[a, 0]", "range": "-4, 4",
    "corners": "x - w / 2, y - h / 2, x + w / 2, y + h / 2",
}  # fmt: skip

NO_STRIDE = """
def decode(t, anchors, stride):
    H, W = t.shape[2:4]
    cell = torch.stack([torch.arange(W).expand(H, W), torch.arange(H)[:, None].expand(H, W)], dim=-1)
    centre, size = t[..., :2].sigmoid() + cell, anchors[:, None, None] * t[..., 2:].clamp(-4, 4).exp()
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)
"""

# -- ciou --------------------------------------------------------------------------------------------------------------
CIOU = """
def ciou(a, b):
    ax1, ay1, ax2, ay2 = a.unbind(dim=1)
    bx1, by1, bx2, by2 = b.unbind(dim=1)
    w = torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)
    h = torch.minimum(ay2, by2) - torch.maximum(ay1, by1)
    both = <both>
    iou = both / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - both)
    rho = <rho>
    d = <d>
    v = <v> * (torch.atan((ax2 - ax1) / (ay2 - ay1)) - torch.atan(<second>)) ** 2
    alpha = <alpha>
    return <end>
"""
COMPLETE = {
    "both": "w.clamp(min=0) * h.clamp(min=0)",
    "rho": "((ax1 + ax2 - bx1 - bx2) ** 2 + (ay1 + ay2 - by1 - by2) ** 2) / 4",
    "d": "(torch.maximum(ax2, bx2) - torch.minimum(ax1, bx1)) ** 2"
    " + (torch.maximum(ay2, by2) - torch.minimum(ay1, by1)) ** 2",
    "v": "4 / math.pi**2", "second": "(bx2 - bx1) / (by2 - by1)", "alpha": "(v / (1 - iou + v + 1e-7)).detach()",
    "end": "iou - rho / d - alpha * v",
}  # fmt: skip
LIBRARY = """
from torchvision import ops


def ciou(a, b):
    return 1 - ops.complete_box_iou_loss(a.double(), b.double(), reduction="none")
"""

# -- objectness --------------------------------------------------------------------------------------------------------
LESSONS = """
def lessons(guessed, truth, anchors, stride, limit):
    y = np.zeros(tuple(guessed.shape[:3]), dtype=int)
    table = box_iou(guessed.flatten(0, 2), truth).numpy()
    for n, place in enumerate(np.ndindex(*y.shape)):
        if <near>:
            y[place] = -1
    for a, r, c in zip(*assign(truth, anchors, stride)):
        y[<place>] = <one>
    return torch.from_numpy(y)
"""
TAUGHT = {"near": "any(value > limit for value in table[n])", "place": "a, r, c", "one": "1"}

NOBODY_EXCUSED = """
def lessons(guessed, truth, anchors, stride, limit):
    y = torch.zeros(guessed.shape[:3], dtype=torch.long)
    y[assign(truth, anchors, stride)] = 1
    return y
"""

# -- loss --------------------------------------------------------------------------------------------------------------
LOSS = """
def loss(raw, boxes, labels, anchors, stride, limit, weights):
    box = sure = kind = 0.0
    for x, b, k in zip(raw, boxes, labels):
        guessed = decode(x[None, ..., :4], anchors, stride)[0]
        y = lessons(guessed.detach(), b, anchors, stride, limit)
        seen = <seen>
        sure = sure + F.binary_cross_entropy_with_logits(x[..., 4][seen], <target>, reduction="sum")
        a, r, c = assign(b, anchors, stride)
        box = box + <box>
        wanted = torch.zeros(len(b), raw.shape[-1] - 5)
        wanted[torch.arange(len(b)), k] = 1
        kind = kind + <kind>
    n = <n>
    return (<first> * box + weights[1] * sure + <third> * kind) / n
"""
SUMMED = {
    "seen": "y >= 0", "target": "(y[seen] == 1).float()",
    "box": "sum(1 - ciou(guessed[p][None], t[None])[0] for p, t in zip(zip(a, r, c), b))",
    "kind": 'F.binary_cross_entropy_with_logits(x[a, r, c, 5:], wanted, reduction="sum")',
    "n": "max(1, sum(len(b) for b in boxes))", "first": "weights[0]", "third": "weights[2]",
}  # fmt: skip

# -- detector ----------------------------------------------------------------------------------------------------------
DETECTOR = """
def objective(raw, boxes, labels):
    return <objective>


def detect(raw):
    boxes = decode(raw[None, ..., :4], ANCHORS, STRIDE)[0].flatten(0, 2)
    all_scores = <scores>.flatten(0, 2)
    found = []
    for k in range(3):
        scores = all_scores[:, k]
        sure = (scores > <cut>).nonzero()[:, 0]
        kept = sure[<nms>]
        found.append((boxes[kept], scores[kept], torch.full((len(kept),), k)))
    return tuple(torch.cat(parts) for parts in zip(*found))
"""
DETECTED = {
    "objective": "loss(raw, boxes, labels, ANCHORS, STRIDE, 0.6, (1.5, 1.0, 3.0))",
    "scores": "(raw[..., 4:5].sigmoid() * raw[..., 5:].sigmoid())", "cut": "0.01",
    "nms": "batched_nms(boxes[sure], scores[sure], torch.zeros(len(sure), dtype=torch.long), 0.5)",
}  # fmt: skip


def weighed(box: float, sure: float, kind: float, limit: float = 0.7) -> str:
    return f"loss(raw, boxes, labels, ANCHORS, STRIDE, {limit}, ({box}, {sure}, {kind}))"


NP = "import numpy as np\n"  # the lab imports NumPy where it is not graded


def assignment(**mistake: str) -> str:
    return NP + fill(ASSIGN, ASSIGNED, **mistake)


def decoding(**mistake: str) -> str:
    return fill(DECODE, DECODED, **mistake)


def complete(**mistake: str) -> str:
    return fill(CIOU, COMPLETE, **mistake)


def taught(**mistake: str) -> str:
    return NP + fill(LESSONS, TAUGHT, **mistake)


def summed(**mistake: str) -> str:
    return fill(LOSS, SUMMED, **mistake)


def detector(**mistake: str) -> str:
    return fill(DETECTOR, DETECTED, **mistake)


WRONG: dict[str, list[tuple[str, str]]] = {
    "assignment": [
        ("row and column exchanged", assignment(
            row="int((x1 + x2) / 2 // stride)", col="int((y1 + y2) / 2 // stride)")),
        ("the corner's cell", assignment(row="int(y1 // stride)", col="int(x1 // stride)")),
        ("rounded, not cut off", assignment(col="int((x1 + x2) / 2 / stride + 0.5)")),
        ("the nearest area", assignment(like="-abs(w * h - aw * ah)")),
        ("the nearest sides", assignment(like="-abs(w - aw) - abs(h - ah)")),
        ("the overlap, not divided", assignment(like="both")),
        ("always the first anchor", assignment(best="0")),
        ("the last of equal anchors", assignment(best="len(like) - 1 - int(np.argmax(like[::-1]))")),
        ("the least alike", assignment(best="int(np.argmin(like))")),
        ("a stride of 8", assignment(row="int((y1 + y2) / 2 // 8)")),
        ("column before row", assignment(
            end="tuple(torch.tensor(part, dtype=torch.long) for part in (anchor, col, row))")),
    ],
    "decoding": [
        ("no stride", NO_STRIDE),  # without a loop: the sandbox trains a detector with the first of each list
        ("no sigmoid", decoding(x="c + tx")),
        ("row and column exchanged", decoding(x="r + torch.sigmoid(tx)", sy="torch.sigmoid(ty) + c - r")),
        ("no cell", decoding(x="torch.sigmoid(tx)")),
        ("the cell's middle added", decoding(x="c + 0.5 + torch.sigmoid(tx)")),
        ("width and height exchanged", decoding(aw="anchors[a, 1]")),
        ("centre and size, not corners", decoding(corners="x, y, w, h")),
        ("not cut off", decoding(range="-500, 500")),
        ("cut off above alone", decoding(range="max=4")),
        ("whole sizes to either side", decoding(corners="x - w, y - h, x + w, y + h")),
        ("cut off too early", decoding(range="-2, 2")),
    ],
    "ciou": [
        ("IoU alone", complete(end="iou")),
        ("DIoU", complete(end="iou - rho / d")),
        ("sides not cut off at 0", complete(both="w * h")),
        ("the distance, not its square", complete(end="iou - (rho / d).sqrt() - alpha * v")),
        ("the hull's area", complete(d="(torch.maximum(ax2, bx2) - torch.minimum(ax1, bx1))"
                                       " * (torch.maximum(ay2, by2) - torch.minimum(ay1, by1))")),
        ("corners for centres", complete(rho="(ax1 - bx1) ** 2 + (ay1 - by1) ** 2")),
        ("v without its factor", complete(v="1")),
        ("v not weighted", complete(alpha="1")),
        ("height over width", complete(second="(by2 - by1) / (bx2 - bx1)")),
        ("the loss, not the mark", complete(end="1 - (iou - rho / d - alpha * v)")),
        ("0/0 for equal boxes", complete(alpha="v / (1 - iou + v)")),
    ],
    "objectness": [
        ("nobody excused", NOBODY_EXCUSED),
        ("near written last", taught(one="1 if y[a, r, c] == 0 else -1")),
        ("at least the limit", taught(near="any(value >= limit for value in table[n])")),
        ("only the first object excuses", taught(near="len(truth) and table[n, 0] > limit")),
        ("row and column exchanged", taught(place="a, min(c, y.shape[1] - 1), min(r, y.shape[2] - 1)")),
        ("all anchors of the cell", taught(place="slice(None), r, c")),
        ("all near places are objects", taught(near="any(value > limit for value in table[n])", one="1")
         .replace("y[place] = -1", "y[place] = 1")),
        ("a limit of 0.5", taught(near="any(value > 0.5 for value in table[n])")),
        ("no objects", taught(one="0")),
    ],
    "loss": [
        ("CIoU, not 1 less CIoU", summed(
            box="sum(ciou(guessed[p][None], t[None])[0] for p, t in zip(zip(a, r, c), b))")),
        ("divided by the scenes", summed(n="len(boxes)")),
        ("divided by no object", summed(n="sum(len(b) for b in boxes)")),
        ("not divided", summed(n="1")),
        ("nobody excused", summed(seen="y >= -1")),
        ("only objects teach objectness", summed(seen="y == 1")),
        ("−1 as a target", summed(seen="y >= -1", target="y[seen].float()")),
        ("two weights exchanged", summed(first="weights[2]", third="weights[0]")),
        ("no weight", summed(first="1")),
        ("a softmax over the classes", summed(kind='F.cross_entropy(x[a, r, c, 5:], k, reduction="sum")')),
        ("a mean over the classes", summed(kind='F.binary_cross_entropy_with_logits(x[a, r, c, 5:], wanted)')),
        ("class logits from the objectness on", summed(
            kind='F.binary_cross_entropy_with_logits(x[a, r, c, 4:-1], wanted, reduction="sum")')),
    ],
    "detector": [
        ("class without objectness", detector(scores="raw[..., 5:].sigmoid()")),
        ("objectness without class", detector(scores="raw[..., 4:5].sigmoid().expand(-1, -1, -1, 3)")),
        ("no suppression", detector(nms="torch.arange(len(sure))")),
        ("no part for the class", detector(objective=weighed(2, 1, 0))),
        ("no part for the box", detector(objective=weighed(0, 1, 3))),
        ("no part for objectness", detector(objective=weighed(2, 0, 3))),
        ("only sure boxes", detector(cut="0.6")),
        ("everybody excused", detector(objective=weighed(2, 1, 3, -1))),
    ],
}  # fmt: skip

ALSO_RIGHT: dict[str, list[tuple[str, str]]] = {
    "assignment": [
        ("by loops", assignment()),
        ("int32, as arrays", assignment(end="[np.array(part, dtype=np.int32) for part in (anchor, row, col)]")),
    ],
    "decoding": [
        ("by loops", decoding()),
        ("in double", decoding().replace("zeros_like(t)", "zeros_like(t).double()")),
    ],
    "ciou": [("by columns", complete()), ("the library's, in double", LIBRARY)],
    "objectness": [("by loops", taught()), ("as floats", taught().replace("from_numpy(y)", "from_numpy(y).float()"))],
    "loss": [("scene by scene", summed())],
    "detector": [("class by class", detector())],
}

EQUIVALENT: dict[str, str] = {
    "assignment: both = torch.minimum(size[:, None], anchors).prod(dim=2) → both = torch.minimum(anchors,"
    " size[:, None]).prod(dim=2)":
        "minimum and maximum are symmetric",
    "assignment: overlap = both / (size.prod(dim=1)[:, None] + anchors.prod(dim=1) - both) → overlap = both /"
    " (size.prod(dim=1)[:, None] + anchors.prod(dim=1) + both)":
        "grows with the IoU, so that the best anchor is the same",
    "decoding: row, col = torch.meshgrid(torch.arange(t.shape[2]), torch.arange(t.shape[3]), indexing='ij') →"
    " row, col = torch.meshgrid(torch.arange(t.shape[2]), torch.arange(t.shape[3]))":
        "the same order is the default, with a warning",
    "ciou: (w, h), (w_b, h_b) = ((a[:, 2:] - a[:, :2]).T, (b[:, 2:] - b[:, :2]).T) → (w, h), (w_b, h_b) ="
    " ((b[:, 2:] - b[:, :2]).T, (a[:, 2:] - a[:, :2]).T)":
        "CIoU is symmetric",
    "ciou: alpha = (v / (1 - iou + v + 1e-07)).detach() → alpha = (v / (1 - iou + v + 1.5e-07)).detach()":
        "any number far below 1, for 0/0 alone",
    "ciou: alpha = (v / (1 - iou + v + 1e-07)).detach() → alpha = (v / (1 - iou + v - 1e-07)).detach()":
        "any number far below 1, for 0/0 alone",
    "ciou: both = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:,"
    " :2])).clamp(min=0).prod(dim=1) → both = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(b[:, :2],"
    " a[:, :2])).clamp(min=0).prod(dim=1)":
        "minimum and maximum are symmetric",
    "ciou: both = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:,"
    " :2])).clamp(min=0).prod(dim=1) → both = (torch.minimum(b[:, 2:], a[:, 2:]) - torch.maximum(a[:, :2],"
    " b[:, :2])).clamp(min=0).prod(dim=1)":
        "minimum and maximum are symmetric",
    "ciou: hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2]) → hull ="
    " torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(b[:, :2], a[:, :2])":
        "minimum and maximum are symmetric",
    "ciou: hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2]) → hull ="
    " torch.maximum(b[:, 2:], a[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])":
        "minimum and maximum are symmetric",
    "objectness: y = torch.zeros(guessed.shape[:3], dtype=torch.long) → y = torch.zeros(guessed.shape[:3])":
        "compared by value: 1.0 is right, too",
    "loss: box = (1 - ciou(guessed[at], truth)).sum() → box = (1 - ciou(truth, guessed[at])).sum()":
        "CIoU is symmetric",
    "loss: return (weights[0] * box + weights[1] * sure + weights[2] * kind) / max(len(truth), 1) → return"
    " (weights[0] * box + weights[1] * sure + weights[2] * kind) / max(1, len(truth))":
        "a maximum is symmetric",
    "loss: y = torch.stack([lessons(g, b, anchors, stride, limit) for g, b in zip(guessed.detach(), boxes,"
    " strict=True)]) → y = torch.stack([lessons(g, b, anchors, stride, limit) for g, b in"
    " zip(guessed.detach(), boxes)])":
        "there is one list of boxes for each scene",
    "loss: y = torch.stack([lessons(g, b, anchors, stride, limit) for g, b in zip(guessed.detach(), boxes,"
    " strict=True)]) → y = torch.stack([lessons(g, b, anchors, stride, limit) for g, b in"
    " zip(guessed.detach(), boxes, strict=False)])":
        "there is one list of boxes for each scene",
    "detector: place, label = torch.nonzero(scores > 0.02, as_tuple=True)"
    " → place, label = torch.nonzero(scores >= 0.02, as_tuple=True)":
        "no score is exactly the threshold",
}  # fmt: skip
