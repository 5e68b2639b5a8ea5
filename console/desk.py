"""What every page works with."""

from dataclasses import dataclass

from console.board import Board
from console.model import ReadModel
from console.orders import Orders
from console.rows import Rows
from console.settings import ConsoleConfig
from console.solver import Solver


@dataclass(frozen=True, slots=True)
class Desk:
    """The console's parts."""

    config: ConsoleConfig
    model: ReadModel
    board: Board
    orders: Orders
    solver: Solver
    rows: Rows
