"""A Redis in Python for laptops that have none: fakeredis' TCP server as a process of its own.

It forgets everything when it ends. Sessions are rebuilt from what the caller typed, so that is allowed.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from fakeredis import TcpFakeServer


def main(port: int) -> None:
    """Serve on the loopback address until SIGTERM or SIGINT."""
    server = TcpFakeServer(("127.0.0.1", port), server_version=(7, 0))
    server.daemon_threads = True

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # shutdown() waits for the serving loop, which is this thread
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
