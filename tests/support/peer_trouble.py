"""A callback that makes trouble in one of several processes, after the first step."""

import os
import signal
import time

from lightning.pytorch import Callback


class Trouble(Callback):
    """Troubles the others once.

    Args:
        kind: "alone" asks for a collective in the first process only; "stopped", "killed" and "busy" (for
            `seconds`) are what their names say.
        rank: the process that makes it.
        seconds: of work.
    """

    def __init__(self, kind: str, rank: int = 1, seconds: float = 0.0) -> None:
        self.kind, self.rank, self.seconds = kind, rank, seconds

    def on_train_batch_end(self, trainer, pl_module, *args) -> None:
        if trainer.global_rank != self.rank or trainer.global_step != 1:
            return
        print(f"trouble in process {os.getpid()}", flush=True)
        if self.kind == "alone":
            _ = trainer.log_dir
        elif self.kind == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.kind == "killed":
            os._exit(9)  # no farewell, as if killed
        else:
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                sum(range(1000))
