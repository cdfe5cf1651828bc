"""Chapter 7's own code, taken from its cells: losses, cuts, integers and FAVOR+ against what is known of them."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune as library_prune
from torch import nn
from transformers import BertConfig, BertModel

from aibook import recipes
from helpers import studies
from helpers.nlp.distilling import fit
from helpers.nlp.tuning import Classifier, States, answers, split
from helpers.training import seed_everything


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("nlp/07-small-language-models")


@pytest.fixture
def model():
    """A tiny BERT classifier of four layers and four heads that reads embedded tokens."""
    seed_everything(0)
    config = BertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=16,
    )  # fmt: skip
    return Classifier(split(BertModel(config, add_pooling_layer=False), 0)[1], 2).eval()


@pytest.fixture
def batch():
    """Embedded tokens (3, 7, 32) and their mask, the second text shorter than the others."""
    rng = torch.Generator().manual_seed(1)
    mask = torch.ones(3, 7, dtype=torch.long)
    mask[1, 4:] = 0
    return torch.randn(3, 7, 32, generator=rng), mask


def close(a, b, by=1e-5):
    a, b = a.detach(), b.detach()
    assert (a - b).abs().max() < by * max(1.0, float(b.abs().max()))


# ---- Distillation ------------------------------------------------------------------------------------------------


def test_the_soft_loss_is_distilberts(chapter):
    seed_everything(0)
    student, teacher = torch.randn(6, 5), torch.randn(6, 5)
    theirs = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(student / 2, -1), F.softmax(teacher / 2, -1)) * 4
    close(chapter.soft_loss(student, teacher, 2.0), theirs)
    assert chapter.soft_loss(student, student, 3.0).abs() < 1e-6


def test_a_very_hot_soft_loss_is_half_the_squared_difference_of_centred_logits(chapter):
    seed_everything(0)
    a, b = torch.randn(2, 50, 3, dtype=torch.float64)
    limit = ((a - a.mean(-1, keepdim=True)) - (b - b.mean(-1, keepdim=True))).square().sum(-1).mean() / 6
    assert chapter.soft_loss(a, b, 1e4) == pytest.approx(limit.item(), rel=1e-3)


def test_the_hard_loss_sees_labelled_texts_only(chapter):
    seed_everything(0)
    z, labels = torch.randn(4, 2), torch.tensor([1, -100, 0, -100])
    close(chapter.hard_loss(z, labels), F.cross_entropy(z[[0, 2]], labels[[0, 2]]))
    assert chapter.hard_loss(z, torch.full((4,), -100)) == 0


def test_the_cosine_loss_is_distilberts_and_leaves_padding_out(chapter, batch):
    x, mask = batch
    y = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    chosen = mask.bool()
    close(chapter.cosine_loss(x, y, mask), nn.CosineEmbeddingLoss()(x[chosen], y[chosen], torch.ones(int(mask.sum()))))
    changed = x.clone()
    changed[1, 4:] = 9.0
    assert chapter.cosine_loss(changed, y, mask) == chapter.cosine_loss(x, y, mask)


def test_a_student_with_all_layers_is_the_teacher_and_with_fewer_has_theirs(chapter, model, batch):
    same = copy.deepcopy(model)
    same.top = chapter.with_layers(model.top, range(4))
    close(same(*batch), model(*batch))
    half = chapter.with_layers(model.top, (0, 2))
    assert len(half.encoder.layer) == half.config.num_hidden_layers == 2 and model.top.config.num_hidden_layers == 4
    for mine, theirs in zip(half.encoder.layer, (0, 2), strict=True):
        for a, b in zip(mine.parameters(), model.top.encoder.layer[theirs].parameters(), strict=True):
            assert torch.equal(a, b) and a is not b


def test_forgetting_draws_every_matrix_anew(chapter, model):
    old = copy.deepcopy(model)
    chapter.forget(model)
    for (name, a), b in zip(model.named_parameters(), old.parameters(), strict=True):
        assert a.dim() < 2 or not torch.equal(a, b), name


def test_a_student_comes_to_say_what_the_teacher_says_without_any_label(chapter, model):
    rng = torch.Generator().manual_seed(3)
    states = States(torch.randn(240, 32, generator=rng).half(), torch.full((40,), 6))
    model.head.weight.data *= 40
    with torch.inference_mode():
        z = answers(model, states)
        said = States(torch.zeros_like(states.flat), states.lengths)
    student = Classifier(chapter.with_layers(model.top, (0, 2)), 2, dropout=0.0)
    loss = chapter.three_losses(said, z, torch.full((40,), -100), weights=(1, 1, 0))
    curve, _ = fit(student, states, loss, epochs=12, lr=2e-3)
    assert np.mean(curve[-3:]) < 0.5 * np.mean(curve[:3])


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_must_be_positive(chapter, temperature):
    with pytest.raises(ValueError, match="above 0"):
        chapter.soft_loss(torch.zeros(1, 2), torch.zeros(1, 2), temperature)


def test_a_wider_student_and_layers_that_are_not_there_are_refused(chapter, model):
    with pytest.raises(ValueError, match=r"\(2, 3, 64\).*projection"):
        chapter.cosine_loss(torch.zeros(2, 3, 64), torch.zeros(2, 3, 32), torch.ones(2, 3))
    for kept in ((0, 4), (-1,), ()):
        with pytest.raises(ValueError, match="layers 0 to 3"):
            chapter.with_layers(model.top, kept)


# ---- Pruning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 0.85])
def test_magnitude_pruning_equals_torchs_global_pruning(chapter, model, share):
    theirs = copy.deepcopy(model)
    parts = [(m, "weight") for m in theirs.top.modules() if isinstance(m, nn.Linear)]
    library_prune.global_unstructured(parts, library_prune.L1Unstructured, amount=share)
    masks = chapter.magnitude_masks(chapter.matrices(model), share)
    for (part, _), mask in zip(parts, masks, strict=True):
        assert torch.equal(part.weight_mask.bool(), mask)


def test_what_is_pruned_stays_pruned_while_the_rest_is_trained(chapter, model):
    states = States(torch.randn(240, 32).half(), torch.full((40,), 6))
    masks = chapter.magnitude_masks(chapter.matrices(model), 0.8)
    pruned = chapter.masked(model, masks)
    before = [w.clone() for w in chapter.matrices(pruned)]
    loss = chapter.held(lambda m, x, mask, rows: F.cross_entropy(m(x, mask).float(), torch.tensor(rows) % 2), masks)
    fit(pruned, states, loss, epochs=2, lr=1e-3)
    for w, old, mask in zip(chapter.matrices(chapter.hold(pruned, masks)), before, masks, strict=True):
        assert (w[~mask] == 0).all() and not torch.equal(w[mask], old[mask])
    assert all(w.all() for w in chapter.matrices(model))


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5])
def test_shares_outside_0_and_1_are_refused(chapter, model, share):
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        chapter.magnitude_masks(chapter.matrices(model), share)
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        chapter.weakest(torch.rand(2, 4), share)


def test_removing_heads_equals_closing_their_gates(chapter, model, batch):
    gone = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0]], dtype=torch.bool)
    smaller = chapter.without_heads(model, gone)
    hooks = [chapter.gated(*pair) for pair in zip(model.top.encoder.layer, 1.0 - gone.float(), strict=True)]
    closed = model(*batch)
    for hook in hooks:
        hook.remove()
    close(smaller(*batch), closed)
    assert (closed - model(*batch)).abs().max() > 1e-4
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
    with pytest.raises(ValueError, match="lose all its heads"):
        chapter.without_heads(model, torch.ones(4, 4, dtype=torch.bool))


def test_a_head_that_nothing_reads_has_no_importance(chapter, model):
    model.top.encoder.layer[1].attention.output.dense.weight.data[:, 8:16] = 0  # head 1 of 4
    states = States(torch.randn(36, 32).half(), torch.full((6,), 6))
    scores = chapter.importance(model, states, np.arange(6) % 2)
    assert scores.shape == (4, 4) and scores[1, 1] == 0 and (scores[0] > 0).all()
    assert torch.allclose(scores.norm(dim=1), torch.ones(4))


def test_the_weakest_go_first_and_one_of_each_layer_stays(chapter):
    scores = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]])
    assert chapter.weakest(scores, 0.25).int().tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert chapter.weakest(scores, 0.74).sum(1).tolist() == [3, 2]


# ---- Quantisation ------------------------------------------------------------------------------------------------


def test_eight_bits_a_row_equal_torchs_symmetric_quantisation(chapter):
    w = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    q, scale = chapter.quantise(w, 8)
    theirs = torch.fake_quantize_per_channel_affine(
        w, scale.flatten(), torch.zeros(6, dtype=torch.int32), axis=0, quant_min=-127, quant_max=127
    )
    close(chapter.restore(q, scale), theirs, 1e-6)


@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, None), (4, 8), (8, 32)])
def test_no_weight_moves_by_more_than_half_a_step(chapter, bits, group):
    w = torch.randn(5, 32, generator=torch.Generator().manual_seed(0))
    q, scale = chapter.quantise(w, bits, group)
    assert q.dtype == torch.int8 and q.abs().max() == 2 ** (bits - 1) - 1
    error = (chapter.restore(q, scale) - w).abs().unflatten(1, q.shape[1:])
    assert (error <= scale / 2 + 1e-6).all()
    assert torch.equal(chapter.restore(*chapter.quantise(torch.zeros(2, 32), bits, group)), torch.zeros(2, 32))


def test_packing_loses_nothing_and_halves_the_bytes(chapter):
    q = torch.arange(-7, 7).to(torch.int8).view(1, 2, 7).repeat_interleave(2, -1)
    packed = chapter.pack(q)
    assert torch.equal(chapter.unpack(packed), q) and packed.dtype == torch.uint8 and packed.numel() * 2 == q.numel()


def test_integers_with_a_zero_point_equal_torchs(chapter):
    x = torch.randn(40, generator=torch.Generator().manual_seed(0)) + 0.7
    q, scale, zero = chapter.affine(x)
    theirs = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255)
    close((q.int() - zero) * scale, theirs, 1e-6)
    q, scale, zero = chapter.affine(torch.cat([x.abs() + 3, torch.zeros(1)]))
    assert q[-1] == zero  # 0 is represented exactly


def test_the_product_in_integers_equals_the_product_of_what_they_stand_for(chapter):
    seed_everything(0)
    x, layer = torch.randn(9, 32), nn.Linear(32, 5)
    q, scale = chapter.quantise(layer.weight, 8)
    qx, sx, zero = chapter.affine(x)
    expected = F.linear((qx.int() - zero) * sx, chapter.restore(q, scale), layer.bias)
    found = chapter.int_linear(x, q, scale, layer.bias)
    close(found, expected)
    assert (found - layer(x)).norm() / layer(x).norm() < 0.02


@pytest.mark.parametrize("bits", [2, 3, 16, 0])
def test_other_bits_are_refused(chapter, bits):
    with pytest.raises(ValueError, match="4 or 8"):
        chapter.quantise(torch.zeros(2, 8), bits)


def test_groups_must_divide_the_row(chapter):
    with pytest.raises(ValueError, match="groups of 5 do not divide a row of 8"):
        chapter.quantise(torch.zeros(2, 8), 4, 5)


# ---- FAVOR+ ------------------------------------------------------------------------------------------------------


def qkv(t=40, d=16, scale=0.5, seed=0):
    q, k, v = torch.randn(3, 2, t, d, generator=torch.Generator().manual_seed(seed))
    return scale * q, scale * k, v


@pytest.mark.parametrize("orthogonal", [True, False])
def test_the_kernel_estimate_is_unbiased(chapter, orthogonal):
    rng = torch.Generator().manual_seed(0)
    x, y = torch.tensor([0.6, -0.2, 0.3, 0.1]), torch.tensor([0.1, 0.5, 0.4, -0.3])
    for features in (chapter.positive, chapter.trigonometric):
        found = torch.stack([(features(x, w) * features(y, w)).sum()
                             for w in (chapter.directions(4, 4, orthogonal, rng) for _ in range(8_000))])  # fmt: skip
        assert abs(found.mean() - (x @ y).exp()) < 4 * found.std() / math.sqrt(len(found))


def test_the_kernels_mean_squared_errors_are_the_formulas(chapter):
    rng, m = torch.Generator().manual_seed(0), 4
    x, y = torch.tensor([0.6, -0.2, 0.3]), torch.tensor([-0.3, 0.5, 0.2])
    z2, delta2 = (x + y).square().sum(), (x - y).square().sum()
    formulas = {
        chapter.positive: (2 * x @ y).exp() * (z2.exp() - 1) / m,
        chapter.trigonometric: (x @ x + y @ y).exp() * (1 - (-delta2).exp()) ** 2 / (2 * m),
    }
    for features, formula in formulas.items():
        found = torch.stack([(features(x, w) * features(y, w)).sum()
                             for w in (chapter.directions(m, 3, False, rng) for _ in range(20_000))])  # fmt: skip
        assert (found - (x @ y).exp()).square().mean() == pytest.approx(formula.item(), rel=0.1)


def test_directions_are_normal_and_perpendicular_in_blocks(chapter):
    rng = torch.Generator().manual_seed(0)
    omega = chapter.directions(24, 16, generator=rng)
    inner = omega[:16] @ omega[:16].T
    assert omega.shape == (24, 16) and (inner - inner.diagonal().diag()).abs().max() < 1e-4
    many = chapter.directions(16_000, 8, generator=rng)
    assert many.mean(0).abs().max() < 0.04 and (many.T @ many / len(many) - torch.eye(8)).abs().max() < 0.05


def test_features_equal_their_definition_and_the_table(chapter):
    q, k, v = qkv()
    omega = chapter.directions(32, 16, generator=torch.Generator().manual_seed(1))
    a, b = (chapter.positive(x * 16**-0.25, omega) for x in (q, k))
    table = a @ b.mT
    close(chapter.favor(q, k, v, omega), table / table.sum(-1, keepdim=True) @ v)


@pytest.mark.parametrize("chunk", [1, 7, 40, 64])
def test_causal_attention_equals_the_lower_triangle_of_the_table(chapter, chunk):
    q, k, v = qkv()
    omega = chapter.directions(32, 16, generator=torch.Generator().manual_seed(1))
    a, b, _ = chapter.mapped(q, k, v, omega)
    table = (a @ b.mT).tril()
    close(chapter.favor_causal(q, k, v, omega, chunk), table / table.sum(-1, keepdim=True) @ v)


def test_exact_attention_equals_torchs(chapter):
    q, k, v = qkv(scale=1.0)
    close(chapter.exact(q, k, v), F.scaled_dot_product_attention(q, k, v))


def test_the_error_falls_like_one_over_the_root_of_the_number_of_features(chapter):
    q, k, v = qkv()
    true, rng = chapter.exact(q, k, v), torch.Generator().manual_seed(0)
    features, errors = (64, 256, 1024, 4096), []
    for m in features:
        draws = [chapter.favor(q, k, v, chapter.directions(m, 16, generator=rng)) for _ in range(8)]
        errors.append(float(np.sqrt(np.mean([(d - true).square().mean() for d in draws]))))
    slope = np.polyfit(np.log(features), np.log(errors), 1)[0]
    assert -0.65 < slope < -0.4 and errors[-1] < 0.06 * true.std()


def test_orthogonal_directions_lower_the_error_of_the_kernel(chapter):
    x, y = torch.tensor([0.8, 0.3] + [0.0] * 14), torch.tensor([0.1, -0.7] + [0.0] * 14)
    mse = {}
    for orthogonal in (True, False):
        rng = torch.Generator().manual_seed(0)
        found = torch.stack([(chapter.positive(x, w) * chapter.positive(y, w)).sum()
                             for w in (chapter.directions(16, 16, orthogonal, rng) for _ in range(3_000))])  # fmt: skip
        mse[orthogonal] = (found - (x @ y).exp()).square().mean()
    assert mse[True] < 0.9 * mse[False]


def test_long_vectors_neither_overflow_nor_reach_padding(chapter):
    q, k, v = qkv(scale=30.0)
    omega = chapter.directions(32, 16, generator=torch.Generator().manual_seed(1))
    assert torch.isfinite(chapter.favor(q, k, v, omega)).all()
    q, k, v = qkv()
    keep = torch.ones(2, 40)
    keep[:, 30:] = 0
    close(chapter.favor(q, k, v, omega, keep), chapter.favor(q, k[:, :30], v[:, :30], omega))


def test_bad_inputs_of_attention_are_named(chapter):
    q, k, v = qkv()
    omega = chapter.directions(8, 16)
    with pytest.raises(ValueError, match="40 keys but 39 values"):
        chapter.favor(q, k, v[:, :39], omega)
    with pytest.raises(ValueError, match="39 queries but 40 keys"):
        chapter.favor_causal(q[:, :39], k, v, omega)
    with pytest.raises(ValueError, match="widths differ"):
        chapter.favor(q, k, v, chapter.directions(8, 12))
    with pytest.raises(ValueError, match="0 random features"):
        chapter.directions(0, 16)
    q[0, 3, 2] = float("nan")
    with pytest.raises(ValueError, match="q holds NaN"):
        chapter.favor(q, k, v, omega)


def test_kernel_attention_in_bert_converges_to_bert_and_without_directions_is_the_mean(chapter, model, batch):
    exact = model(*batch)
    omega = chapter.directions(8_192, 8, generator=torch.Generator().manual_seed(0))
    assert (chapter.with_kernel(model, omega)(*batch) - exact).abs().max() < 0.02 * exact.abs().max() + 1e-3
    part = chapter.with_kernel(model).top.encoder.layer[0].attention.self
    x, mask = batch
    out, _ = part(x, attention_mask=mask[:, None, None, :].bool().expand(3, 1, 7, 7))
    close(out[1, 0], part.old.value(x)[1, :4].mean(0))
    additive = torch.zeros(3, 1, 7, 7).masked_fill(mask[:, None, None, :] == 0, torch.finfo(torch.float32).min)
    assert torch.equal(part(x, attention_mask=additive)[0], out)


def test_gradients_reach_queries_and_keys(chapter):
    q, k, v = (part.double().requires_grad_() for part in qkv(t=5, d=4))
    omega = chapter.directions(6, 4).double()
    assert torch.autograd.gradcheck(lambda *x: chapter.favor(*x, omega), (q, k, v))
    assert torch.autograd.gradcheck(lambda *x: chapter.favor_causal(*x, omega, 2), (q, k, v))


def test_the_crossing_is_where_two_lines_meet(chapter):
    lengths = np.array([100, 200, 400, 800])
    assert chapter.crossing(lengths, lengths * 3.0, lengths**2 / 100) == pytest.approx(300, rel=1e-6)
    assert chapter.crossing(lengths, lengths * 0.1, lengths * 1.0) == 100
    assert chapter.crossing(lengths, lengths * 2.0, lengths * 1.0) == 800


# ---- What the study says -----------------------------------------------------------------------------------------


def test_the_study_has_what_the_text_says():
    study = studies.load("nlp/07-small-language-models")
    assert len(study.seeds) >= 3
    mean, values = study.mean, study.values
    assert min(values("acc_teacher")) > max(values("null_accuracy")) + 20 and mean("acc_teacher") > mean("acc_svm") + 5
    assert min(values("gain_start")) > 0 < min(values("gain_tuned_layers"))
    assert mean("acc_magnitude_50") > mean("acc_random_50") and mean("acc_heads_50") > mean("acc_heads_random_50")
    assert min(np.subtract(values("acc_retrained"), values("acc_magnitude_90"))) > 0
    assert mean("flips_int8_row") < 3 and min(values("flips_int4_tensor")) > max(values("flips_int4_group"))
    assert mean("error_unit_orthogonal") > mean("null_unit")
    assert min(values("faster_than_sdpa")) > 5 and min(values("less_than_exact")) > 5
