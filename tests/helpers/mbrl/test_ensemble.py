"""The ensemble equals separate networks, its likelihood a library's, its bootstraps what bootstraps are."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from helpers.mbrl.ensemble import Ensemble, bags, bootstrap, bounded, fit, gaussian_nll, out_of_bag
from helpers.training import NonFiniteLoss


def wave(n=200, noise=0.1, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = 4 * torch.rand(n, 1, generator=g) - 2
    return x, 3 * torch.sin(2 * x) + 5 + noise * torch.randn(n, 1, generator=g)


def stirred(ensemble, seed=3):
    g = torch.Generator().manual_seed(seed)
    for p in [*ensemble.parameters(), *ensemble.buffers()]:
        p.data += 0.3 * torch.rand(p.shape, generator=g)
    return ensemble


def test_the_likelihood_is_the_librarys():
    torch.manual_seed(0)
    mean, log_variance, y = torch.randn(3, 5, 4, 2).unbind()
    ours = gaussian_nll(mean, log_variance, y)
    theirs = nn.GaussianNLLLoss(full=True, reduction="none")(mean, y, log_variance.exp())
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert torch.allclose(ours, -torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(y), atol=1e-5)


def test_bounds_hold_smoothly_and_leave_a_gradient():
    bottom, top = torch.tensor(-10.0), torch.tensor(0.5)
    inside = torch.linspace(-6, -3, 7)
    assert torch.allclose(bounded(inside, bottom, top), inside, atol=0.04)
    far = torch.tensor([-1e4, -30.0, 12.0, 1e4], requires_grad=True)
    value = bounded(far, bottom, top)
    assert (value > bottom - 1e-3).all() and (value < top + 1e-3).all()
    value[1:3].sum().backward()
    assert (far.grad[1:3] > 0).all()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_batched_ensemble_equals_separate_networks(depth):
    ensemble = stirred(Ensemble(3, 2, members=4, width=16, depth=depth))
    x = torch.randn(4, 7, 3)
    mean, log_variance = ensemble(x)
    assert mean.shape == log_variance.shape == (4, 7, 2)
    for e in range(4):
        layers = []
        for w, b in zip(ensemble.weights, ensemble.biases, strict=True):
            linear = nn.Linear(*w.shape[1:])
            linear.weight.data, linear.bias.data = w[e].T.data, b[e, 0].data
            layers += [linear, nn.SiLU()]
        answer = nn.Sequential(*layers[:-1])((x[e] - ensemble.x_mean) / ensemble.x_scale)
        assert torch.allclose(mean[e], answer[:, :2] * ensemble.y_scale + ensemble.y_mean, atol=1e-5)
        inner = bounded(answer[:, 2:], ensemble.bottom, ensemble.top)
        assert torch.allclose(log_variance[e], inner + 2 * ensemble.y_scale.log(), atol=1e-5)


def test_inputs_of_two_dimensions_go_to_all_members():
    ensemble, x = stirred(Ensemble(3, 2, width=8)), torch.randn(6, 3)
    for a, b in zip(ensemble(x), ensemble(x.expand(5, 6, 3)), strict=True):
        assert torch.equal(a, b)


def test_gradients_of_one_member_do_not_reach_another():
    ensemble = Ensemble(3, 2, width=8)
    ensemble(torch.randn(5, 4, 3))[0][2].sum().backward()
    touched = [ensemble.weights[0].grad[e].abs().sum() > 0 for e in range(5)]
    assert touched == [False, False, True, False, False]


def test_bags_are_bootstraps_and_stay_when_rows_come():
    counts = bags(5, 4_000, seed=1)
    assert counts.shape == (4_000, 5) and np.abs(counts.mean(0) - 1).max() < 0.06
    assert np.abs((counts == 0).mean(0) - np.exp(-1)).max() < 0.03
    assert np.array_equal(counts[:100], bags(5, 100, seed=1)) and not np.array_equal(counts, bags(5, 4_000, seed=2))
    assert np.abs(np.corrcoef(counts.T) - np.eye(5)).max() < 0.06


def test_minibatches_come_from_the_members_own_bag():
    counts = bags(3, 50, seed=4)
    rows = bootstrap(3, 50, 400, 16, 4, torch.Generator().manual_seed(0))
    assert rows.shape == (400, 3, 16)
    for e in range(3):
        drawn = np.bincount(rows[:, e].flatten(), minlength=50)
        assert (drawn[counts[:, e] == 0] == 0).all()
        assert np.corrcoef(drawn, counts[:, e])[0, 1] > 0.99


def test_a_single_row_is_enough_for_every_member():
    assert bootstrap(5, 1, 2, 4, 0, torch.Generator()).unique().tolist() == [0]


def test_it_learns_mean_and_noise_and_a_seed_repeats_it():
    x, y = wave()
    runs = [Ensemble(1, 1, width=32, seed=7) for _ in range(2)]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    curves = [fit(one, x, y, 600) for one in runs]
    assert torch.equal(state, torch.get_rng_state())  # the global generator is left alone
    assert np.array_equal(*curves) and len(curves[0]) == 600
    test_x, _ = wave(400, seed=1)
    with torch.inference_mode():
        mean, log_variance = runs[0](test_x)
    assert (mean.mean(0) - 3 * torch.sin(2 * test_x) - 5).abs().mean() < 0.15
    assert 0.04 < (0.5 * log_variance).exp().mean() < 0.25
    other = Ensemble(1, 1, width=32, seed=8)
    assert not np.array_equal(fit(other, x, y, 50), curves[0][:50])


def test_training_goes_on_from_where_it_was_and_counts_gradient_steps(monkeypatch):
    x, y = wave()
    ensemble, steps = Ensemble(1, 1, width=16), []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a: (steps.append(1), step(self, *a))[1])
    early = fit(ensemble, x, y, 200)
    late = fit(ensemble, x, y, 20)
    assert len(steps) == 220 and late.mean() < early[:20].mean() - 1


def test_the_normaliser_is_the_datas_and_constants_do_no_harm():
    x = torch.cat([wave()[0], torch.full((200, 1), 3.0)], 1)
    y = 1_000 * wave()[1]
    ensemble = Ensemble(2, 1, width=16)
    fit(ensemble, x, y, 300)
    assert torch.allclose(ensemble.x_mean, x.mean(0)) and torch.allclose(ensemble.y_scale, y.std(0, correction=0))
    assert ensemble.x_scale[1] == 1
    assert set(ensemble.state_dict()) >= {"x_mean", "x_scale", "y_mean", "y_scale"}
    with torch.inference_mode():
        assert (ensemble(x)[0].mean(0) - y).abs().mean() < 0.4 * y.std()
    plain = Ensemble(2, 1, width=16, normalise=False)
    fit(plain, x, y / 1_000, 5)
    assert plain.x_scale.tolist() == [1, 1] and plain.y_mean.item() == 0


def test_out_of_bag_scores_rows_that_a_member_has_not_seen():
    x, y = wave(60)
    ensemble = Ensemble(1, 1, members=3, width=16, seed=2)
    fit(ensemble, x, y, 100)
    found, counts = out_of_bag(ensemble, x, y), bags(3, 60, 2)
    for e in range(3):
        unseen = counts[:, e] == 0
        with torch.inference_mode():
            mean, log_variance = ensemble(x[unseen])
            expected = gaussian_nll(mean[e], log_variance[e], y[unseen]).mean()
        assert found[e] == pytest.approx(expected.item(), abs=1e-5)


def test_a_deterministic_member_minimises_squared_errors_and_has_no_variance():
    x, y = wave()
    net = Ensemble(1, 1, members=1, width=32, probabilistic=False)
    assert net.weights[-1].shape == (1, 32, 1)
    z, u = x[None], y[None]
    assert net.loss(z, u).item() == pytest.approx(0.5 * ((net.normalised(z)[0] - u) ** 2).mean().item(), rel=1e-5)
    fit(net, x, y, 400)
    with torch.inference_mode():
        mean, log_variance = net(x)
    assert (0.5 * log_variance).exp().max() == 0 and (mean[0] - y).abs().mean() < 0.3


def test_bad_training_data_are_refused():
    x, y = wave(20)
    spoilt = y.clone()
    spoilt[3] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        fit(Ensemble(1, 1), x, spoilt, 1)
    with pytest.raises(ValueError, match="20 inputs and 19"):
        fit(Ensemble(1, 1), x, y[:-1], 1)
    with pytest.raises(ValueError, match="at least one"):
        fit(Ensemble(1, 1), x[:0], y[:0], 1)


def test_a_model_that_diverges_stops_and_says_where():
    x, y = wave()
    ensemble = Ensemble(1, 1, width=16, bound=False)
    with pytest.raises(NonFiniteLoss, match=r"diverged.*step \d+"):
        fit(ensemble, 1e6 * x, y, 200, lr=1e4)


def test_a_copy_learns_apart():
    x, y = wave()
    ensemble = Ensemble(1, 1, width=16)
    twin = copy.deepcopy(ensemble)
    assert np.array_equal(fit(twin, x, y, 20), fit(ensemble, x, y, 20))
    fit(twin, x, y, 20)
    assert not torch.equal(twin.weights[0], ensemble.weights[0])
