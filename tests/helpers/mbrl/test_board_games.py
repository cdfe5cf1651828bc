"""Board games: rules checked by hand and by counting, and a perfect player that plain minimax agrees with."""

from functools import cache

import pytest
import torch

from helpers.mbrl.board_games import SMALL_CONNECT_FOUR, TIC_TAC_TOE, Game, Perfect, contest, drawn, openings

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


@pytest.fixture(scope="module")
def perfect():
    return Perfect(TIC_TAC_TOE)


@cache
def minimax(board):
    """The value of a tuple of cells for the player to move, in plain Python."""
    if any(all(board[i] == -1 for i in line) for line in LINES):
        return -1
    moves = [i for i in range(9) if board[i] == 0]
    handed = [tuple(-x if i != m else -1 for i, x in enumerate(board)) for m in moves]
    return max((-minimax(b) for b in handed), default=0)


def test_tic_tac_toe_has_its_5478_positions_and_each_its_value(perfect):
    boards = TIC_TAC_TOE.board(perfect.numbers)
    assert len(boards) == 5_478 and perfect.value(TIC_TAC_TOE.start(1)) == 0
    assert torch.equal(TIC_TAC_TOE.number(boards), perfect.numbers)
    assert perfect.values.tolist() == [minimax(tuple(b)) for b in boards.tolist()]
    assert TIC_TAC_TOE.over(boards).sum() == 958  # 626 + 316 won, 16 drawn


def test_connect_four_on_a_narrow_board_is_a_draw():
    solved = Perfect(Game(4, 4, 4, falling=True))
    assert len(solved.numbers) == 161_029
    assert solved.value(solved.game.start(1)) == 0


def test_stones_fall_and_full_columns_are_closed():
    game, board = SMALL_CONNECT_FOUR, SMALL_CONNECT_FOUR.start(1)
    for mover in range(4):
        board, reward = game.move(board, torch.tensor([2]))
        assert reward == 0 and board.view(4, 5)[3 - mover, 2] == -1
    assert game.legal(board).tolist() == [[True, True, False, True, True]]
    with pytest.raises(ValueError, match="full column"):
        game.move(board, torch.tensor([2]))


@pytest.mark.parametrize("game", [TIC_TAC_TOE, SMALL_CONNECT_FOUR])
def test_every_line_wins_once_and_ends_the_game(game):
    assert len(game.lines) == {9: 8, 20: 8 + 5 + 4}[game.cells]
    for line in game.lines:
        board = (-line[None]).to(torch.int8)
        assert game.lost(board) and game.over(board) and not game.legal(board).any()
        after, reward = game.move(board, torch.zeros(1, dtype=torch.long))
        assert torch.equal(after, board) and reward == 0  # nothing happens any more
    board = torch.tensor([[1, 1, 0, -1, -1, 0, 0, 0, 0]], dtype=torch.int8)
    after, reward = TIC_TAC_TOE.move(board, torch.tensor([2]))
    assert reward == 1 and TIC_TAC_TOE.lost(after)


@pytest.mark.parametrize("game", [TIC_TAC_TOE, Game(3, 4, 3, falling=True), Game(2, 3, 2)])
def test_a_turned_board_is_the_same_game(game):
    g = torch.Generator().manual_seed(0)
    cells, actions = game.symmetries
    assert len(cells.unique(dim=0)) == len(cells) and len(game.symmetries[0]) == {9: 8, 12: 2, 6: 4}[game.cells]
    board = openings(game, 40, g, blind=3)
    for where, how in zip(cells, actions, strict=True):
        turned = board[:, where]
        assert torch.equal(game.legal(turned), game.legal(board)[:, how])
        move = drawn(game.legal(turned), g)
        after, reward = game.move(turned, move)
        same, earned = game.move(board, how[move])
        assert torch.equal(after, same[:, where]) and torch.equal(reward, earned)


def test_the_perfect_player_never_does_worse_than_the_position(perfect):
    g = torch.Generator().manual_seed(1)
    board = openings(TIC_TAC_TOE, 300, g)
    value, play = perfect.value(board), lambda b: perfect(b, g)
    assert torch.equal(contest(TIC_TAC_TOE, play, play, board), value)
    careless = contest(TIC_TAC_TOE, lambda b: drawn(TIC_TAC_TOE.legal(b), g), play, board)
    assert (careless <= value).all() and careless.mean() < value.mean() - 0.3
    assert (contest(TIC_TAC_TOE, play, lambda b: drawn(TIC_TAC_TOE.legal(b), g), board) >= value).all()


def test_openings_are_of_all_lengths_and_still_open():
    board = openings(TIC_TAC_TOE, 2_000, torch.Generator().manual_seed(0), blind=6)
    stones = (board != 0).sum(1).bincount()
    assert len(stones) == 7 and stones.min() > 150 and not TIC_TAC_TOE.over(board).any()


def test_what_is_no_game_or_no_position_is_refused(perfect):
    with pytest.raises(ValueError, match="no line of 5"):
        Game(3, 4, 5)
    with pytest.raises(ValueError, match="64 bits"):
        Game(6, 7, 4)
    with pytest.raises(ValueError, match="occupied"):
        TIC_TAC_TOE.move(torch.eye(9, dtype=torch.int8)[:1], torch.tensor([0]))
    with pytest.raises(KeyError, match="cannot occur"):
        perfect.value(torch.ones(1, 9, dtype=torch.int8))
