"""Ports of servers on this host: a free one, a clear error for a taken one, and who listens on one.

Free ports come from below the kernel's ephemeral range: a client that reconnects to the ephemeral port of a dead server
can be given that very port as its own and then keeps the server from coming back.
"""

import random
import socket
import threading
from pathlib import Path

import psutil

from stack.errors import PortTakenError, StackError

LOOPBACK = "127.0.0.1"
_LOWEST = 15_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_handed_out: set[int] = set()
_lock = threading.Lock()


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a loopback port that nobody listens on and that this process was not given before."""
    first = _first_ephemeral()
    candidates = range(_LOWEST, first) if first > _LOWEST + 1_000 else range(_LOWEST, 65_536)
    with _lock:
        for port in random.sample(candidates, 200):
            if port not in _handed_out and _bindable(port):
                _handed_out.add(port)
                return port
    raise StackError(f"no free port found on {LOOPBACK} between {candidates.start} and {candidates.stop - 1}")


def require_free(port: int, what: str) -> None:
    """Return only if a server may listen on the port.

    Raises
    ------
    PortTakenError
        If another process has it; the message names that process where the system tells.
    """
    if not 1 <= port <= 65_535:
        raise StackError(f"{what}: port {port} is not between 1 and 65535")
    if not _bindable(port):
        raise PortTakenError(f"{what}: port {port} on {LOOPBACK} is taken{_owner(port)}; give another port or end it")


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            there = connection.laddr and connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if there and connection.pid is not None:  # None: of another user
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return ""


def listens(pid: int, port: int) -> bool:
    """Return whether this very process listens on the port."""
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)):
            return False  # nobody does; to ask who does takes a hundred times as long
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)
