"""Keep the three nodes of a private Galera cluster running, as one server process.

``tools.dev.database_program.GaleraProgram`` starts this. When all nodes are synced, the socket of the first node
becomes the server's. A node that ends is started again, and catches up from the write sets that another node has
cached. The nodes end together with this process, even if it is killed.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

import pymysql

_POLL_SECONDS = 0.1
_RECOVER_TIMEOUT_SECONDS = 60
_STOP_TIMEOUT_SECONDS = 20
_LAUNCHER = ("setpriv", "--pdeathsig", "KILL", "--")
_RECOVERED = re.compile(r"Recovered position: *([0-9a-f-]+):(-?\d+)")
_SEQUENCE = re.compile(r"(?m)^seqno: *(-?\d+)$")
_STATE_FILE = "grastate.dat"


@dataclass
class Node:
    """One node: its data, its socket, and the command that runs it."""

    data: Path
    socket: Path
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def from_json(cls, fields: dict[str, list[str] | str]) -> Self:
        """Return the node that ``to_json`` described."""
        return cls(Path(str(fields["data"])), Path(str(fields["socket"])), [*fields["command"]])

    def to_json(self) -> dict[str, list[str] | str]:
        """Describe the node for another process."""
        return {"data": str(self.data), "socket": str(self.socket), "command": self.command}

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None

    def position(self) -> tuple[str, int]:
        """Return the cluster's id and the last write set's number in the data of the node, which must not run."""
        state = self.data / _STATE_FILE
        text = state.read_text(encoding="ascii") if state.exists() else ""
        sequence = _SEQUENCE.search(text)
        if sequence and int(sequence[1]) >= 0:
            return re.findall(r"(?m)^uuid: *(\S+)$", text)[0], int(sequence[1])
        # It did not stop cleanly; InnoDB knows.
        recovery = subprocess.run(
            [*self.command, "--wsrep-recover"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_RECOVER_TIMEOUT_SECONDS,
        )
        found = _RECOVERED.search(recovery.stdout)
        if found is None:
            sys.exit(f"{self.data}: no position in the output of --wsrep-recover:\n{recovery.stdout}")
        return found[1], int(found[2])

    def bootstrap(self) -> None:
        """Start the node as the first of its cluster."""
        state = self.data / _STATE_FILE
        if state.exists():
            text = state.read_text(encoding="ascii").replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1")
            state.write_text(text, encoding="ascii")
        (self.data / "gvwstate.dat").unlink(missing_ok=True)  # the members before a crash
        self.start("--wsrep-new-cluster")

    def start(self, *options: str) -> None:
        """Start the node, which joins the others unless an option says otherwise."""
        cluster, sequence = self.position()
        position = f"--wsrep-start-position={cluster}:{sequence}"
        # The node inherits the lock that says whether the server runs.
        self.process = subprocess.Popen([*_LAUNCHER, *self.command, position, *options], close_fds=False)

    def is_synced(self) -> bool:
        """Whether the node has all the write sets of its cluster, and accepts statements."""
        try:
            with pymysql.connect(unix_socket=str(self.socket), user="root", connect_timeout=5) as connection:
                cursor = connection.cursor()
                cursor.execute("SHOW STATUS LIKE 'wsrep_local_state_comment'")
                return cursor.fetchone() == ("wsrep_local_state_comment", "Synced")
        except pymysql.err.MySQLError:
            return False

    def terminate(self) -> None:
        """Ask the node to stop, even if it was suspended."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()

    def wait_until_stopped(self) -> None:
        """Wait until the process has ended. Kill a node that waits for another one in vain."""
        if self.process is not None:
            try:
                self.process.wait(_STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def create(nodes: list[Node]) -> None:
    """Copy the data of the first node to the others, if they have none, so that nothing but write sets is transferred.

    The first node runs once before that, because only then its data say to which cluster they belong.
    """
    first = nodes[0]
    missing = [node for node in nodes if not node.data.exists()]
    if missing:
        first.bootstrap()
        _wait_until_synced([first])
        first.terminate()
        first.wait_until_stopped()
    for node in missing:
        unfinished = node.data.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(first.data, unfinished)
        unfinished.rename(node.data)


def start(nodes: list[Node]) -> None:
    """Start the cluster from the node with the most write sets, and wait until all nodes are synced."""
    last = max(reversed(nodes), key=lambda node: node.position()[1])
    last.bootstrap()
    _wait_until_synced([last])
    for node in nodes:
        if node is not last:
            node.start()
    _wait_until_synced(nodes)


def keep_running(nodes: list[Node]) -> NoReturn:
    """Start every node again that ends."""
    while True:
        if not any(node.is_running for node in nodes):
            start(nodes)
        for node in nodes:
            if not node.is_running:
                node.start()
        time.sleep(_POLL_SECONDS)


def main() -> None:
    """Run the nodes until this process is terminated."""
    process_id_path, socket, *descriptions = sys.argv[1:]
    nodes = [Node.from_json(json.loads(description)) for description in descriptions]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Path(process_id_path).write_text(f"{os.getpid()}\n", encoding="ascii")
    try:
        create(nodes)
        start(nodes)
        Path(socket).symlink_to(nodes[0].socket)
        keep_running(nodes)
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait_until_stopped()


def _wait_until_synced(nodes: list[Node]) -> None:
    while not all(node.is_synced() for node in nodes):
        for node in nodes:
            if not node.is_running:
                sys.exit(f"the node with the data in {node.data} ended")
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main()
