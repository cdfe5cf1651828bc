"""Board games for two, batched in torch: tic-tac-toe, Connect Four on any board, and the player who makes no mistake.

A board (B, cells) is `int8` and always seen by the player to move: 1 is a stone of theirs, -1 of the opponent's, 0 an
empty cell, row by row from the top. After a move the board is handed over, with all signs turned. So one set of weights
plays both sides, and the value of a position is always that of the player to move.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Game:
    """`line` stones in a row, column or diagonal win. With `falling`, a move names a column and the stone drops."""

    rows: int
    columns: int
    line: int
    falling: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.line <= max(self.rows, self.columns):
            raise ValueError(f"no line of {self.line} fits on a board of {self.rows} × {self.columns}")
        if self.cells > 39:
            raise ValueError(f"{self.rows} × {self.columns} cells do not fit into the 64 bits of a position's number")

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    @property
    def actions(self) -> int:
        return self.columns if self.falling else self.cells

    @cached_property
    def lines(self) -> Tensor:
        """Each possible line (L, cells) as a float mask."""
        found = []
        for r in range(self.rows):
            for c in range(self.columns):
                for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    end = (r + down * (self.line - 1), c + right * (self.line - 1))
                    if 0 <= end[0] < self.rows and 0 <= end[1] < self.columns:
                        mask = torch.zeros(self.rows, self.columns)
                        for i in range(self.line):
                            mask[r + i * down, c + i * right] = 1
                        found.append(mask.flatten())
        return torch.stack(found)

    @cached_property
    def symmetries(self) -> tuple[Tensor, Tensor]:
        """Cells (G, cells) and actions (G, A): the board `b[:, cells[g]]` is `b` turned or mirrored, and the move
        `a` of the new board is the move `actions[g, a]` of the old one."""
        square = torch.arange(self.cells).view(self.rows, self.columns)
        if self.falling:  # only left and right may be exchanged
            cells = torch.stack([square, square.flip(1)]).flatten(1)
            return cells, torch.stack([torch.arange(self.columns), torch.arange(self.columns).flip(0)])
        turns = [square.rot90(k) for k in (range(4) if self.rows == self.columns else (0, 2))]
        cells = torch.stack([t for turn in turns for t in (turn, turn.flip(1))]).flatten(1)
        return cells, cells

    def start(self, n: int) -> Tensor:
        """n empty boards (n, cells)."""
        return torch.zeros(n, self.cells, dtype=torch.int8)

    def legal(self, board: Tensor) -> Tensor:
        """Which moves (B, A) the rules allow; none where the game is over."""
        free = board[:, : self.columns] == 0 if self.falling else board == 0  # the top row has to be empty
        return free & ~self.lost(board)[:, None]

    def lost(self, board: Tensor) -> Tensor:
        """Whether the opponent has just completed a line (B,)."""
        return (board.float() @ self.lines.T == -self.line).any(1)

    def over(self, board: Tensor) -> Tensor:
        """Whether there is nothing left to play (B,)."""
        return self.lost(board) | (board != 0).all(1)

    def move(self, board: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Boards (B, cells) as the *next* player sees them, and what the mover earned (B,): 1 for a line, else 0.

        Where the game is over already, nothing happens.

        Raises:
            ValueError: A move that the rules forbid.
        """
        over = self.over(board)
        if not bool((self.legal(board).gather(1, action[:, None])[:, 0] | over).all()):
            raise ValueError("a move to an occupied cell or a full column: choose among `legal(board)`")
        cell = action
        if self.falling:
            column = (board.view(-1, self.rows, self.columns) == 0).sum(1)  # free cells of each column
            cell = (column.gather(1, action[:, None])[:, 0] - 1).clamp(0) * self.columns + action
        after = board.clone()
        after[torch.arange(len(board)), cell] = 1
        after = torch.where(over[:, None], board, -after)
        return after, (self.lost(after) & ~over).float()

    def planes(self, board: Tensor) -> Tensor:
        """What a network sees (B, 2 · cells): where the mover's stones are, and where the opponent's."""
        return torch.cat([board == 1, board == -1], 1).float()

    def number(self, board: Tensor) -> Tensor:
        """A number (B,) for each board, in base 3."""
        return ((board + 1).long() * 3 ** torch.arange(self.cells)).sum(1)

    def board(self, number: Tensor) -> Tensor:
        """The boards (B, cells) with these numbers."""
        return (number[:, None] // 3 ** torch.arange(self.cells) % 3 - 1).to(torch.int8)


TIC_TAC_TOE = Game(3, 3, 3)
SMALL_CONNECT_FOUR = Game(4, 5, 4, falling=True)  # 1.7 million positions


class Perfect:
    """A game solved backwards, from its last moves to its first: the value of each position, and all best moves.

    Attributes:
        numbers: Of all positions that can occur (P,), sorted. `values`: what they are worth to the player to move (P,):
            1 won, 0 drawn, -1 lost, if nobody errs.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        layers = [game.number(game.start(1))]
        while len(layers[-1]):  # all positions after one more move
            boards = game.board(layers[-1])
            layers.append(self._following(boards)[0].unique())
        values = torch.zeros(0, dtype=torch.int8)
        known = [values]
        for number, later in zip(layers[-2::-1], layers[:0:-1], strict=True):
            boards = game.board(number)
            result = torch.where(game.lost(boards), -1, 0).to(torch.int8)
            children, at = self._following(boards)
            if len(children):
                best = torch.full((len(boards),), -2, dtype=torch.int8)
                best.scatter_reduce_(0, at, -values[torch.searchsorted(later, children)], "amax")
                result = torch.where(best > -2, best, result)
            values = result
            known.append(values)
        self.numbers, order = torch.cat(layers[-2::-1]).sort()
        self.values = torch.cat(known[1:])[order]

    def _following(self, boards: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers (M,) of all positions one move later, and the row that each comes from."""
        at, action = self.game.legal(boards).nonzero(as_tuple=True)
        return self.game.number(self.game.move(boards[at], action)[0]), at

    def value(self, board: Tensor) -> Tensor:
        """What each position (B, cells) is worth to the player to move (B,), as float.

        Raises:
            KeyError: A position that no game leads to.
        """
        number = self.game.number(board)
        at = torch.searchsorted(self.numbers, number).clamp(max=len(self.numbers) - 1)
        if not bool((self.numbers[at] == number).all()):
            raise KeyError("a position that cannot occur in a game")
        return self.values[at].float()

    def best(self, board: Tensor) -> Tensor:
        """Which moves (B, A) lose nothing; none where the game is over."""
        legal, worth = self.game.legal(board), torch.full((len(board), self.game.actions), -2.0)
        at, action = legal.nonzero(as_tuple=True)
        if len(at):
            worth[at, action] = -self.value(self.game.move(board[at], action)[0])
        return legal & (worth == worth.amax(1, keepdim=True))

    def __call__(self, board: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A best move (B,), drawn evenly among them; 0 where the game is over."""
        return drawn(self.best(board), generator)


def drawn(allowed: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One of the allowed moves (B, A) of each row, evenly (B,); 0 where there is none."""
    lots = torch.rand(allowed.shape, generator=generator)
    return torch.where(allowed, lots, -1.0).argmax(1) * allowed.any(1)


def openings(game: Game, n: int, generator: torch.Generator, blind: int = 6) -> Tensor:
    """n positions (n, cells) after 0 to `blind` random moves each (evenly), none of them over."""
    found, missing = [], n
    while missing > 0:
        board = game.start(2 * missing)
        moves = torch.randint(blind + 1, (len(board),), generator=generator)
        for done in range(blind):
            after, _ = game.move(board, drawn(game.legal(board), generator))
            board = torch.where((moves > done)[:, None], after, board)
        found.append(board[~game.over(board)][:missing])
        missing -= len(found[-1])
    return torch.cat(found)


def contest(game: Game, player, opponent, board: Tensor) -> Tensor:
    """Play on from positions (B, cells), `player` to move: its results (B,), 1 won, 0 drawn, -1 lost.

    player, opponent: boards → moves (B,); asked only about games that are not over.
    """
    result, playing, sign = torch.zeros(len(board)), torch.arange(len(board)), 1.0
    board = board.clone()
    while len(playing := playing[~game.over(board[playing])]):
        mover = player if sign > 0 else opponent
        board[playing], reward = game.move(board[playing], mover(board[playing]))
        result[playing] += sign * reward
        sign = -sign
    return result
