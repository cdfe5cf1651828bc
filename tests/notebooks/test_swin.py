"""Chapter 5's own code, taken from its cells: equal to torchvision's Swin, its parts by hand, and it learns."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torchvision.models.swin_transformer import PatchMerging, ShiftedWindowAttention

from aibook import recipes
from helpers import studies
from helpers.data.annotated import Annotated
from helpers.training import TensorBatches, seed_everything


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("cv/05-swin")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_attention_equals_pytorchs_with_and_without_a_bias(chapter):
    q, k, v, bias = noise(2, 3, 7, 8), noise(2, 3, 7, 8, seed=1), noise(2, 3, 7, 8, seed=2), noise(3, 7, 7, seed=3)
    assert torch.allclose(chapter.attention(q, k, v), F.scaled_dot_product_attention(q, k, v), atol=1e-6)
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(2, 3, 7, 7))
    assert torch.allclose(chapter.attention(q, k, v, bias), theirs, atol=1e-6)


def test_windows_hold_neighbours_and_come_back_to_their_places(chapter):
    x = noise(2, 8, 12, 5)
    windows = chapter.partition(x, 4)
    assert windows.shape == (2, 6, 16, 5)
    assert torch.equal(windows[1, 4], x[1, 4:8, 4:8].reshape(16, 5))  # the second row's second window
    assert torch.equal(chapter.reverse(windows, 8, 12), x)


def test_two_tokens_may_attend_exactly_if_they_are_neighbours_in_the_unrolled_picture(chapter):
    H, W, M, s = 12, 8, 4, 2
    place = torch.stack(torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij"), -1)[None]
    windows = chapter.partition(place.roll((-s, -s), (1, 2)), M)[0]  # (windows, M², 2): where each token came from
    far = (windows[:, :, None] - windows[:, None]).abs().amax(-1) >= M
    assert torch.equal(chapter.shift_mask(H, W, M, (s, s)) == -100, far)
    assert far.any() and not far[0].any()


def test_a_side_that_is_one_window_is_not_split(chapter):
    mask = chapter.shift_mask(4, 8, 4, (0, 2))
    assert mask.shape == (2, 16, 16) and not mask[0].any()
    assert torch.equal(mask[1] == 0, torch.eye(2).repeat_interleave(2, 0).repeat_interleave(2, 1).repeat(4, 4) == 1)


@pytest.mark.parametrize("M", [2, 5, 7])
def test_the_relative_index_is_torchvisions_and_the_same_for_the_same_offset(chapter, M):
    theirs = ShiftedWindowAttention(8, [M, M], [0, 0], 2).relative_position_index.view(M * M, M * M)
    index = chapter.relative_index(M)
    assert torch.equal(index, theirs)
    assert index.unique().numel() == (2 * M - 1) ** 2


@pytest.mark.parametrize(("size", "shift"), [((12, 8), 0), ((12, 8), 2), ((4, 12), 2), ((10, 7), 2), ((3, 3), 2)])
def test_a_layer_equals_torchvisions_also_where_windows_are_filled_up(chapter, size, shift):
    theirs = ShiftedWindowAttention(8, [4, 4], [shift, shift], 2)
    ours = chapter.WindowAttention(8, 2, 4, shift=shift)
    chapter.stirred(theirs)
    chapter.take_weights(ours, theirs)
    x = noise(2, *size, 8)
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)
    assert theirs(x).std() > 0.1


def test_merging_equals_torchvisions_on_even_and_odd_maps(chapter):
    theirs, ours = chapter.stirred(PatchMerging(6)), chapter.Merging(6)
    chapter.take_weights(ours, theirs)
    for size in ((4, 6), (5, 7)):
        x = noise(2, *size, 6)
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)


@pytest.fixture(scope="module")
def both(chapter):
    theirs = chapter.stirred(torchvision.models.swin_t(weights=None))
    ours = chapter.Swin(1000).eval()
    chapter.take_weights(ours, theirs)
    return ours, theirs


def test_every_weight_of_torchvisions_goes_to_the_place_of_its_name(both):
    last = {"embed.": "features.0.0.", "norm_in.": "features.0.2."}
    for (ours, a), (theirs, b) in zip(both[0].named_parameters(), both[1].named_parameters(), strict=True):
        assert torch.equal(a, b)
        for mine, yours in last.items():
            if ours.startswith(mine):
                assert theirs == ours.replace(mine, yours)
        end = ours.split(".", 3)[3] if ours.startswith("stages") else ""
        end = end.replace("table", "relative_position_bias_table").replace("mlp.2", "mlp.3")
        assert theirs.endswith(end)


@pytest.mark.parametrize("size", [(224, 224), (100, 132)])  # the second leaves windows half empty, and odd maps
def test_swin_t_equals_torchvisions_to_1e5(both, size):
    ours, theirs = both
    x = noise(1, 3, *size)
    with torch.inference_mode():
        a, b = ours(x), theirs(x)
    assert (a - b).abs().max() < 1e-5 and b.std() > 0.5


def test_gradients_of_a_small_swin_equal_torchvisions(chapter):
    sizes = {"depths": [2, 2], "window": [4, 4]}
    theirs = chapter.stirred(
        torchvision.models.SwinTransformer([2, 2], 16, sizes["depths"], [2, 4], sizes["window"], num_classes=5)
    )
    ours = chapter.Swin(5, patch=2, dim=16, depths=(2, 2), heads=(2, 4), M=4).eval()
    chapter.take_weights(ours, theirs)
    x = noise(3, 3, 26, 32)
    for network in (ours, theirs):
        F.cross_entropy(network(x), torch.tensor([0, 1, 4])).backward()
    pairs = list(zip(ours.named_parameters(), theirs.parameters(), strict=True))
    for (name, a), b in pairs:
        assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-5), name
        # a key's bias shifts all products of a row alike, so that the softmax does not see it: no slope, up to rounding
        assert b.grad.abs().max() > 1e-6, name


def test_weights_that_do_not_fit_are_refused_by_name(chapter):
    theirs = torchvision.models.SwinTransformer([4, 4], 16, [2], [2], [4, 4], num_classes=5)
    with pytest.raises(ValueError, match=r"attn\.table"):
        chapter.take_weights(chapter.Swin(5, dim=16, depths=(2,), heads=(2,), M=5), theirs)


@pytest.mark.parametrize(("side", "C", "M"), [(8, 8, 4), (12, 16, 3)])
def test_counted_multiplications_equal_the_papers_formulas(chapter, side, C, M):
    windows = chapter.WindowAttention(C, 2, M, shift=M // 2)
    whole = chapter.WindowAttention(C, 2, side, position=False)
    assert chapter.macs(windows, (1, side, side, C)) == chapter.w_msa(side**2, C, M)
    assert chapter.macs(whole, (1, side, side, C)) == chapter.msa(side**2, C)


def test_attention_everywhere_is_one_window_as_large_as_the_map(chapter):
    whole = chapter.stirred(chapter.WindowAttention(8, 2, 6, position=False))
    everywhere = chapter.Everywhere(8, 2)
    everywhere.load_state_dict(whole.state_dict())
    x = noise(2, 6, 6, 8)
    assert torch.allclose(everywhere(x), whole(x), atol=1e-5)


def test_a_switch_takes_out_what_it_names(chapter):
    x = noise(1, 16, 16, 1).permute(0, 3, 1, 2)
    build = lambda **options: chapter.Swin(3, 1, 2, 8, (2,), (2,), 4, **options)  # noqa: E731
    shifts = [block.attn.shift for block in build(shifted=False).stages[0]]
    assert shifts == [0, 0] and [block.attn.shift for block in build().stages[0]] == [0, 2]
    assert not [name for name, _ in build(position=False).named_parameters() if "table" in name]
    network = chapter.stirred(build())
    with torch.inference_mode():
        masked = network.maps(x)[0]
        network.stages[0][1].attn.mask = False
        changed = (network.maps(x)[0] - masked).abs().amax(-1)[0] > 1e-4
    # Windows of the last rows and columns hold pieces of opposite edges; all others stay as they were.
    assert changed[:2].all() and changed[:, -2:].all() and not changed[2:-2, 2:-2].any()


def test_the_cnn_has_swins_strides_and_is_made_as_dear(chapter):
    x = noise(2, 1, 32, 32)
    swin, cnn = chapter.small_swin(16), chapter.small_cnn(12)
    assert [y.shape[1:3] for y in swin.maps(x)] == [y.shape[2:] for y in cnn.maps(x)] == [(16, 16), (8, 8), (4, 4)]
    assert cnn(x).shape == swin(x).shape == (2, 10)
    goal = chapter.macs(swin, (1, 1, 32, 32))
    width = chapter.as_dear_as(goal, chapter.small_cnn, (1, 1, 32, 32))
    off = [abs(chapter.macs(chapter.small_cnn(w), (1, 1, 32, 32)) - goal) for w in (width - 1, width, width + 1)]
    assert off[1] == min(off) and off[1] < 0.1 * goal


@pytest.mark.parametrize("name", ["small_swin", "small_cnn"])
def test_both_learn_where_a_bright_square_is_and_a_seed_repeats_it(chapter, name):
    t = torch.arange(64) % 4
    x = 0.3 * noise(64, 1, 32, 32)
    for i in range(64):
        row, column = 16 * (t[i] // 2), 16 * (t[i] % 2)
        x[i, 0, row + 4 : row + 12, column + 4 : column + 12] += 2
    curves = []
    for _ in range(2):
        seed_everything(0)
        network = getattr(chapter, name)(8)
        batches = TensorBatches(x, t, 32, shuffle=True)
        curve, watch = chapter.fit(network, chapter.surprise, batches, steps=30, lr=1e-2)
        curves.append(curve)
    assert curves[0] == curves[1] and len(curve) == 30 and watch.cpu > 0
    # Where the square is, a mean over all places forgets: only positions and margins tell it. So the loss has to fall,
    # by much, from log 10, but not to its floor.
    assert np.mean(curve[-5:]) < 0.75 * curve[0]


def squares(n, seed=0):
    """Grey pictures of 64 pixels with one bright square each; the last has none."""
    rng = np.random.default_rng(seed)
    images, rows = rng.normal(100, 8, (n, 64, 64, 3)).clip(0, 255).astype(np.uint8), []
    for i in range(n - 1):
        side = rng.integers(16, 33)
        x, y = rng.integers(0, 64 - side, 2)
        images[i, y : y + side, x : x + side] = 230
        rows.append((i, x, y, x + side, y + side, 0))
    return Annotated.from_rows(images, np.array(rows, float), ("square",), [f"s{i}" for i in range(n)])


@pytest.mark.parametrize("kind", ["swin", "cnn"])
def test_a_detector_stands_on_either_backbone_and_its_loss_falls(chapter, kind):
    seed_everything(0)
    body = (
        chapter.Swin(1, patch=4, dim=16, depths=(2, 2, 2), heads=(2, 4, 8), M=4)
        if kind == "swin"
        else chapter.Cnn(1, dim=12)
    )
    network = chapter.detector(body, 1, (64, 64))
    maps = network.backbone(torch.zeros(2, 3, 64, 64))
    assert {name: tuple(y.shape) for name, y in maps.items()} == {"8": (2, 64, 8, 8), "16": (2, 64, 4, 4)}
    data = squares(24)
    losses, _ = chapter.fit(network, chapter.fcos_loss, chapter.Scenes(data, 8), steps=25, lr=4e-3)
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:3])
    found = chapter.detect(network, data[:5], batch_size=2)
    assert len(found) == 5
    for one in found:
        assert one.boxes.shape == (len(one.scores), 4) and (np.diff(one.scores) <= 0).all()
        assert one.boxes.min(initial=0) >= 0 and one.boxes.max(initial=0) <= 64


def test_a_batch_of_scenes_keeps_pictures_and_boxes_together(chapter):
    data = squares(12)
    images, truth = next(iter(chapter.Scenes(data, 10)))
    assert len(images) == len(truth) == 10
    for image, one in zip(images, truth, strict=True):
        assert image.shape == (3, 64, 64) and image.max() <= 1
        for x1, y1, x2, y2 in one["boxes"].int().tolist():
            assert (image[:, y1:y2, x1:x2] > 0.85).all()


# ---- What the chapter claims of its study ------------------------------------------------------------------------


def test_the_stored_study_says_what_the_text_says():
    study = studies.load("cv/05-swin")
    assert len(study.seeds) >= 3
    for n in (2000, 8000, 30000):
        assert min(study.values(f"accuracy_cnn_{n}")) > max(study.values(f"accuracy_swin_{n}"))
    assert study.mean("gap_500") < 2 * study.sd("gap_500")  # "can hardly tell the two apart"
    assert min(study.values("ap_cnn")) > max(study.values("ap_swin")) > 10 * max(study.values("ap_null"))
    assert min(study.values("slope_global")) > max(study.values("slope_windows"))
    assert min(study.values("loss_by_move_swin")) > max(study.values("loss_by_move_cnn")) > 30
    for budget in zip(study.values("train_cpu_swin"), study.values("train_cpu_cnn"), strict=True):
        assert max(budget) < 1.25 * min(budget)
