"""Chapter 6's own code, taken from its cells: the network, targets, the unrolled loss, worlds, exams, both agents."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from aibook import recipes
from helpers.mbrl.board_games import TIC_TAC_TOE, Game, Perfect, drawn, openings
from helpers.training import NonFiniteLoss


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("mbrl/06-muzero")


@pytest.fixture(scope="module")
def perfect():
    return Perfect(TIC_TAC_TOE)


def small(chapter, **changes):
    options = {"hidden": 16, "width": 32, "parallel": 8, "steps": 4, "rounds": 3, "updates": 2, "batch": 16}
    return chapter.Settings(**options | {"reanalyse": 8, "every": 1} | changes)


def agent_of(chapter, kind="MuZero", seed=0, **changes):
    return chapter.player(getattr(chapter, kind), TIC_TAC_TOE, small(chapter, **changes), seed)


def stream(moves=((0, 3, 1, 4, 2), (4, 0, 8))):
    """Hand-made games in one stream: crosses win the first one with their third move; the second one goes on."""
    rows = {key: [] for key in ("seen", "action", "policy", "root", "reward", "discount", "played")}
    for game in moves:
        board = TIC_TAC_TOE.start(1)
        for action in game:
            rows["seen"].append(board[0])
            board, reward = TIC_TAC_TOE.move(board, torch.tensor([action]))
            policy = torch.zeros(9)
            policy[action] = 1.0
            over = bool(TIC_TAC_TOE.over(board)[0])
            values = (torch.tensor(action), policy, torch.tensor(0.1 * action), reward[0])
            for key, value in zip(("action", "policy", "root", "reward"), values, strict=True):
                rows[key].append(value)
            rows["discount"].append(torch.tensor(0.0 if over else -1.0))
            rows["played"].append(torch.tensor(True))
    return {key: torch.stack(values)[None] for key, values in rows.items()}


# ---- The network and the agents ------------------------------------------------------------------------------------


def test_states_are_normalised_along_the_whole_path(chapter):
    network = agent_of(chapter).network
    s = network.represent(openings(TIC_TAC_TOE, 5, torch.Generator().manual_seed(0)))
    for action in (0, 4, 8):
        s, reward = network.dynamics(s, torch.full((5,), action))
        assert s.shape == (5, 16) and reward.shape == (5,)
        assert torch.allclose(s.mean(1), torch.zeros(5), atol=1e-5)
        assert torch.allclose(s.var(1, correction=0), torch.ones(5), atol=1e-2)
    logits, value = network.predict(s)
    assert logits.shape == (5, 9) and value.shape == (5,)


def test_the_learned_model_alternates_players_and_is_never_told_the_rules(chapter):
    agent = agent_of(chapter)
    outlook = agent.step(agent.root(TIC_TAC_TOE.start(3)).hidden, torch.tensor([4, 4, 4]))
    assert (outlook.discount == -1).all() and (outlook.logits > -100).all()


def test_the_exact_model_knows_rewards_ends_and_forbidden_moves(chapter):
    agent = agent_of(chapter, "AlphaZero")
    board = torch.tensor([[1, 1, 0, -1, -1, 0, 0, 0, 0]] * 2, dtype=torch.int8)
    outlook = agent.step(board, torch.tensor([2, 8]))
    assert outlook.reward.tolist() == [1, 0] and outlook.discount.tolist() == [0, -1] and outlook.value[0] == 0
    assert (outlook.logits[1] < -1e8).tolist() == [True, True, False, True, True, False, False, False, True]


def test_exact_search_with_an_ignorant_network_finds_wins_and_stops_losses(chapter, perfect):
    plain = agent_of(chapter, "AlphaZero")
    plain.network = chapter.Ignorant(9)
    board = torch.tensor([[1, 1, 0, -1, -1, 0, 0, 0, 0], [1, 0, 0, -1, -1, 0, 0, 0, 1]], dtype=torch.int8)
    assert plain.act(board, 100).tolist() == [2, 5]
    late = openings(TIC_TAC_TOE, 100, torch.Generator().manual_seed(3))
    late = late[(late != 0).sum(1) >= 5]
    right = perfect.best(late).gather(1, plain.act(late, 200)[:, None])
    assert right.float().mean() > 0.95


def test_without_simulations_the_policy_plays_alone_and_only_what_is_allowed(chapter):
    agent = agent_of(chapter)
    board = openings(TIC_TAC_TOE, 50, torch.Generator().manual_seed(0))
    action = agent.act(board, 0)
    assert TIC_TAC_TOE.legal(board).gather(1, action[:, None]).all()
    assert torch.equal(action, agent.act(board, 0)) and torch.equal(agent.act(board, 4), agent.act(board, 4))


# ---- Self-play and returns -----------------------------------------------------------------------------------------


def test_a_stream_continues_its_games_and_begins_new_ones(chapter):
    agent = agent_of(chapter)
    m = chapter.self_play(agent, agent.world, 12, agent.c)
    assert m["seen"].shape == (8, 12, 9) and m["policy"].shape == (8, 12, 9) and m["played"].all()
    assert torch.allclose(m["policy"].sum(2), torch.ones(8, 12), atol=1e-5)
    for t in range(11):
        after, reward = TIC_TAC_TOE.move(m["seen"][:, t], m["action"][:, t])
        over = TIC_TAC_TOE.over(after)
        assert torch.equal(reward, m["reward"][:, t]) and torch.equal(m["discount"][:, t] == 0, over)
        assert torch.equal(after[~over], m["seen"][:, t + 1][~over])
    assert not TIC_TAC_TOE.over(m["seen"].flatten(0, 1)).any()


def test_a_seed_gives_the_same_openings_whatever_else_is_drawn(chapter):
    first = chapter.Boards(TIC_TAC_TOE, 20, 7)
    torch.rand(100)
    assert torch.equal(first.seen, chapter.Boards(TIC_TAC_TOE, 20, 7).seen)


def test_returns_of_a_hand_made_game_alternate_in_sign_and_stop_at_the_end(chapter):
    m = stream()
    z = chapter.returns(m, 1.0)[0]
    assert z[:5].tolist() == [1, -1, 1, -1, 1]
    assert z[7] == m["root"][0, 7] and z[6] == -z[7] and z[5] == -z[6]  # the second game is not over yet
    z = chapter.returns(m, 0.0)[0]
    assert torch.allclose(z[:4], -m["root"][0, 1:5]) and z[4] == 1


def test_returns_of_perfect_play_are_the_values_of_the_game(chapter, perfect):
    luck, board, n = torch.Generator().manual_seed(1), None, 64
    board = openings(TIC_TAC_TOE, n, luck)
    worth, parts, going = perfect.value(board), [], torch.ones(n, dtype=torch.bool)
    for _ in range(9):
        after, reward = TIC_TAC_TOE.move(board, perfect(board, luck))
        over = TIC_TAC_TOE.over(after)
        parts.append((reward, -1.0 * ~over, going))
        board, going = after, going & ~over
    reward, discount, _ = (torch.stack(part, 1) for part in zip(*parts, strict=True))
    m = {"reward": reward, "discount": discount, "root": torch.zeros(n, 9), "played": torch.ones(n, 9).bool()}
    assert torch.equal(chapter.returns(m, 1.0)[:, 0], worth)


# ---- Targets and the loss ------------------------------------------------------------------------------------------


def test_targets_follow_the_game_and_its_end_is_absorbing(chapter):
    m = stream()
    m["return"] = chapter.returns(m, 1.0)
    b, t = torch.tensor([0, 0, 0]), torch.tensor([0, 3, 6])
    policy, value, reward, action, alive, known = chapter.targets(m, b, t, 3)
    assert alive.tolist() == [[True] * 4, [True, True, False, False], [True, True, False, False]]
    assert known.tolist() == [[True] * 4, [True] * 4, [True, True, False, False]]  # the second game has no end yet
    assert value[0].tolist() == [1, -1, 1, -1] and value[1].tolist() == [-1, 1, 0, 0]
    assert reward[0].tolist() == [0, 0, 0, 0] and reward[1].tolist() == [0, 1, 0, 0]
    assert action[0].tolist() == [0, 3, 1, 4] and action[1, :2].tolist() == [4, 2] and (action < 9).all()
    assert policy[0].argmax(1).tolist() == [0, 3, 1, 4]


def test_a_cut_is_bootstrapped_and_nothing_is_asked_beyond_it(chapter):
    """Five steps; the third observation is where an episode was cut, and nothing was done there."""
    m = {"reward": torch.full((1, 5), 0.1), "discount": torch.full((1, 5), 0.9), "root": torch.arange(5.0)[None] / 10}
    m |= {"played": torch.tensor([[True, True, False, True, True]]), "seen": torch.zeros(1, 5, 4)}
    m |= {"action": torch.zeros(1, 5, dtype=torch.long), "policy": torch.full((1, 5, 2), 0.5)}
    z = chapter.returns(m, 1.0)[0]
    assert z[2] == pytest.approx(0.2) and z[1] == pytest.approx(0.1 + 0.9 * 0.2)
    assert z[0] == pytest.approx(0.1 + 0.9 * float(z[1]))
    m["return"] = z[None]
    *_, alive, known = chapter.targets(m, torch.tensor([0]), torch.tensor([0]), 3)
    assert alive.tolist() == [[True, True, False, False]] == known.tolist()
    m["discount"][0, 1] = 0.0  # the same place, but an end
    assert chapter.returns(m, 1.0)[0, 1] == pytest.approx(0.1)
    *_, alive, known = chapter.targets(m, torch.tensor([0]), torch.tensor([0]), 3)
    assert alive.tolist() == [[True, True, False, False]] and known.all()


def test_symmetries_turn_board_policy_and_moves_alike(chapter, perfect):
    """With policies that are all best moves, and moves that are one of them, they still are after turning."""
    luck = torch.Generator().manual_seed(0)
    board = openings(TIC_TAC_TOE, 40, luck)
    best = perfect.best(board)
    m = {"seen": board[:, None], "action": drawn(best, luck)[:, None], "policy": best.float()[:, None]}
    m |= {"reward": torch.zeros(40, 1), "discount": -torch.ones(40, 1), "return": torch.zeros(40, 1)}
    m |= {"played": torch.ones(40, 1, dtype=torch.bool)}
    c = small(chapter, batch=300, unroll=0)
    where = m["played"].nonzero(as_tuple=True)
    seen, policy, _, _, action, *_ = chapter.examples(m, where, TIC_TAC_TOE.symmetries, c)
    assert torch.equal(policy[:, 0] > 0, perfect.best(seen))
    assert perfect.best(seen).gather(1, action).all()
    assert len(seen.unique(dim=0)) > len(board.unique(dim=0))
    plain, *_ = chapter.examples(m, where, TIC_TAC_TOE.symmetries, small(chapter, batch=300, unroll=0, symmetric=False))
    assert len(plain.unique(dim=0)) <= len(board.unique(dim=0))


class Told(torch.nn.Module):
    """A "network" whose state is the board itself: it knows the rules, what positions are worth and all best moves."""

    def __init__(self, perfect, actions=9):
        super().__init__()
        self.perfect, self.actions, self.wrong = perfect, actions, torch.nn.Parameter(torch.zeros(1))

    def represent(self, board):
        return torch.cat([board.float(), torch.zeros(len(board), 1)], 1)  # the last number: whether it is over

    def dynamics(self, s, action):
        board, over = s[:, :9].to(torch.int8), s[:, 9] > 0
        allowed = torch.where(over, drawn(TIC_TAC_TOE.legal(board)), action)
        after, reward = TIC_TAC_TOE.move(board, allowed)
        after, reward = torch.where(over[:, None], board, after), reward * ~over
        return torch.cat([after.float(), (over | TIC_TAC_TOE.over(after)).float()[:, None]], 1), reward

    def predict(self, s):
        flat = s.reshape(-1, 10)
        known = self.perfect.numbers
        board = flat[:, :9].round().to(torch.int8)
        value = self.perfect.values[torch.searchsorted(known, TIC_TAC_TOE.number(board))].float()
        value = torch.where(flat[:, 9] > 0, 0.0, value) + self.wrong
        return torch.zeros(*s.shape[:-1], 9), value.view(s.shape[:-1])


def test_the_exact_model_unrolled_has_the_exact_values_and_rewards(chapter, perfect):
    """On streams of perfect play the loss of values and rewards is zero, the absorbing end included."""
    network, m = Told(perfect), stream(((4, 0, 8, 2, 1, 7, 6, 3, 5),))  # a game between two who make no mistake
    m["return"] = chapter.returns(m, 1.0)
    assert m["return"].abs().max() == 0
    seen = m["seen"][0]
    t = torch.arange(9)
    asked = chapter.targets(m, torch.zeros(9, dtype=torch.long), t, 3)
    with torch.no_grad():
        exact = chapter.loss_of(network, seen, 0 * asked[0], *asked[1:])
        network.wrong += 0.5
        shifted = chapter.loss_of(network, seen, 0 * asked[0], *asked[1:])
    assert exact == 0 and shifted == pytest.approx(2 * 0.25)  # weight 1 at the root, 1/3 for each of three steps


def test_the_loss_is_what_the_equation_says(chapter):
    network, m = agent_of(chapter).network, stream()
    m["return"] = chapter.returns(m, 0.7)
    b, t = torch.tensor([0, 0]), torch.tensor([0, 3])
    policy, value, reward, action, alive, known = chapter.targets(m, b, t, 2)
    total = 0.0
    with torch.no_grad():
        for i in range(2):
            s = network.represent(m["seen"][b[i], t[i]][None])
            for k in range(3):
                logits, v = network.predict(s)
                part = -(policy[i, k] * logits[0].log_softmax(0)).sum() * alive[i, k]
                part = part + (v[0] - value[i, k]) ** 2 * known[i, k]
                total += part * (1 if k == 0 else 0.5)
                if k < 2:
                    s, r = network.dynamics(s, action[i, k][None])
                    total += 0.5 * (r[0] - reward[i, k]) ** 2 * known[i, k + 1]
        found = chapter.loss_of(network, m["seen"][b, t], policy, value, reward, action, alive, known)
    assert torch.allclose(found, total / 2, atol=1e-5)


def test_reanalyse_changes_policies_and_values_and_nothing_that_happened(chapter):
    agent = agent_of(chapter)
    m = chapter.self_play(agent, agent.world, 6, agent.c)
    before = {key: value.clone() for key, value in m.items()}
    with torch.no_grad():
        for p in agent.network.parameters():
            p.add_(0.3 * torch.randn_like(p))
    chapter.reanalyse(agent, m, 200)
    for key in ("seen", "action", "reward", "discount", "played"):
        assert torch.equal(before[key], m[key])
    changed = (m["root"] != before["root"]).float().mean()
    assert changed > 0.8 and not torch.equal(m["policy"], before["policy"])


def test_without_search_the_policy_is_the_move_and_draws_follow_it(chapter):
    agent = agent_of(chapter, simulations=0, parallel=256)
    agent.world.seen = TIC_TAC_TOE.start(256)
    m = chapter.self_play(agent, agent.world, 1, agent.c)
    assert torch.equal(m["policy"].argmax(2), m["action"]) and (m["policy"].amax(2) == 1).all()
    with torch.no_grad():
        wanted = agent.root(TIC_TAC_TOE.start(1)).logits.softmax(1)[0]
    assert (m["policy"][:, 0].mean(0) - wanted).abs().max() < 0.12


# ---- Exams ---------------------------------------------------------------------------------------------------------


def test_the_perfect_player_gets_all_that_is_attainable_and_exams_repeat(chapter):
    judge = chapter.Judge(TIC_TAC_TOE, 60, 300)
    assert (judge.perfect.value(judge.board) >= 0).all() and len(judge.board) == 60
    luck = torch.Generator().manual_seed(4)
    assert judge(lambda board: judge.perfect(board, luck)) == (100, 0, 0)
    first = lambda board: TIC_TAC_TOE.legal(board).float().argmax(1)  # noqa: E731
    worse = judge(first)
    assert worse == judge(first) and worse.share < 90 and worse.wrong > 5


def test_the_share_is_that_of_what_is_attainable(chapter):
    judge = chapter.Judge(TIC_TAC_TOE, 50, 100)
    worth = judge.perfect.value(judge.board)
    luck = torch.Generator().manual_seed(5)
    results = chapter.contest(
        TIC_TAC_TOE, lambda b: drawn(TIC_TAC_TOE.legal(b), luck), lambda b: judge.perfect(b, luck), judge.board
    )
    assert (results <= worth).all()


def test_a_probe_reads_the_board_off_states_that_hold_it(chapter):
    board = openings(TIC_TAC_TOE, 400, torch.Generator().manual_seed(0))
    states = torch.nn.functional.one_hot(chapter.contents(board), 3).flatten(1).float() @ torch.randn(27, 40)
    probe = chapter.fitted(states, board)
    assert torch.equal(probe(states), chapter.contents(board))
    assert (
        chapter.fitted(torch.randn(400, 5), board)(torch.randn(400, 5)) == chapter.contents(board)
    ).float().mean() < 0.8


def test_unrolled_games_are_legal_and_only_their_first_board_is_seen(chapter):
    network = agent_of(chapter).network
    path = chapter.unrolled(network, TIC_TAC_TOE, 4, 30, 0)
    assert torch.equal(path[0][1], network.represent(path[0][0]))
    for board, s, reward, foretold in path:
        assert len(board) == len(s) == len(reward) == len(foretold) and not TIC_TAC_TOE.over(board).any()
    assert ((path[3][0] != 0).sum(1) >= 3).all()


# ---- CartPole ------------------------------------------------------------------------------------------------------


class Steady(gym.Env):
    """Never falls by itself; action 1 ends the episode. The observation counts the steps."""

    observation_space, action_space = spaces.Box(-np.inf, np.inf, (4,), np.float32), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(4, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.full(4, self.t, np.float32), 1.0, bool(action), False, {}


if "BookSteady-v0" not in gym.registry:
    gym.register("BookSteady-v0", Steady, max_episode_steps=3)


def test_a_cut_keeps_its_last_observation_and_a_fall_does_not(chapter):
    world = chapter.Poles(2, 0, 0.9, "BookSteady-v0")
    rows = [(world.seen[:, 0].tolist(), *world.step(torch.tensor([0, int(t == 1)]))) for t in range(5)]
    seen, reward, over, played = zip(*rows, strict=True)
    assert [s[0] for s in seen] == [0, 1, 2, 3, 0]  # cut after three steps: the last observation is in the stream …
    assert [bool(p[0]) for p in played] == [True, True, True, False, True]  # … and nothing is done there
    assert [s[1] for s in seen] == [0, 1, 0, 1, 2] and [bool(o[1]) for o in over] == [False, True, False, False, False]
    assert [round(float(r[0]), 3) for r in reward] == [0.1, 0.1, 0.1, 0, 0.1] and float(reward[1][1]) == 0
    assert not any(o[0] for o in over)


def test_the_pole_is_balanced_by_who_can_and_the_same_episodes_come_again(chapter):
    def lean(seen):
        return (seen[:, 2] + 0.5 * seen[:, 3] > 0).long()

    assert chapter.balance(lean, 3) > 150 > 40 > chapter.balance(lambda seen: torch.zeros(len(seen)), 3)
    assert chapter.balance(lean, 2) == chapter.balance(lean, 2)


# ---- Learning, what is refused, and Ctrl-C -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["MuZero", "AlphaZero"])
def test_a_tiny_game_is_learned_in_seconds(chapter, kind):
    """Two in a row on a strip of four cells: whoever moves first can win, if it is not at the edge."""
    game = Game(1, 4, 2)
    c = chapter.Settings(hidden=16, width=32, parallel=32, steps=4, rounds=40, updates=10, batch=64, lr=5e-3,
                         simulations=4, unroll=2 if kind == "MuZero" else 0, reanalyse=64, every=40)  # fmt: skip
    agent = chapter.player(getattr(chapter, kind), game, c, 1)
    agent.world.blind = 2
    judge = chapter.Judge(game, 50, 50)
    course = chapter.train(agent, chapter.shared(judge, 4))
    assert course.scores[-1] > 95 and course.steps == [40 * 4 * 32] and course.cpu[-1] > 0


def test_exams_change_nothing_and_cost_no_time(chapter):
    quiet = agent_of(chapter, every=3)
    chapter.train(quiet)
    examined = agent_of(chapter, every=1)
    course = chapter.train(examined, lambda agent: float(torch.rand(50).mean()))
    for a, b in zip(quiet.network.parameters(), examined.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert course.steps == [32, 64, 96] and course.cpu == sorted(course.cpu)


def test_when_the_bar_was_reached(chapter):
    course = chapter.Course(None, None)
    course.steps, course.cpu, course.scores = [10, 20, 30], [1.0, 2.0, 3.0], [50, 92, 80]
    assert course.reached(90) == (20, 2.0) and course.reached(95) == (30, 3.0)


def test_bad_settings_are_refused_with_a_reason(chapter):
    agent = agent_of(chapter)
    for change in ({"rounds": 0}, {"steps": 0}, {"updates": 0}, {"parallel": 0}):
        (name,) = change
        agent.c = small(chapter, **change)
        with pytest.raises(ValueError, match=f"{name} = 0: at least 1"):
            chapter.train(agent)
    for change in ({"trace": 1.5}, {"simulations": -1}, {"unroll": -1}):
        agent.c = small(chapter, **change)
        with pytest.raises(ValueError, match="no number below 0"):
            chapter.train(agent)
    with pytest.raises(TypeError, match="simulation"):
        chapter.Settings(simulation=3)


def test_a_loss_that_is_no_number_stops_the_training(chapter):
    agent = agent_of(chapter)
    m = chapter.self_play(agent, agent.world, 4, agent.c)
    m["reward"][:] = math.nan
    adam = torch.optim.AdamW(agent.network.parameters())
    with pytest.raises(NonFiniteLoss, match="the network diverged"):
        chapter.learn(agent, m, adam, torch.optim.lr_scheduler.ConstantLR(adam))
    assert all(p.isfinite().all() for p in agent.network.parameters())


def test_an_interruption_leaves_the_best_agent(chapter, monkeypatch, capsys):
    rounds = []

    def learn(agent, memory, adam, schedule):
        rounds.append(1)
        with torch.no_grad():
            agent.network.f[-1].bias.fill_(len(rounds))
        if len(rounds) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(chapter, "learn", learn)
    agent = agent_of(chapter, rounds=9)
    scores = iter([30.0, 80.0, 60.0])
    course = chapter.train(agent, lambda _: next(scores))
    assert "Interrupted" in capsys.readouterr().out
    assert course.scores == [30, 80, 60] and (agent.network.f[-1].bias == 2).all()
