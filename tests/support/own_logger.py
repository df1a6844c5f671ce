"""A logger of a user's own, as MLflow's is: neither a CSV file nor a version folder."""

from pathlib import Path

from lightning.pytorch.loggers import Logger


class Kept(Logger):
    """Appends what it is told to ``kept.csv``.

    Args:
        folder: where.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = str(folder)

    @property
    def name(self) -> str:
        return "kept"

    @property
    def version(self) -> str:
        return "abc123"

    @property
    def save_dir(self) -> str:
        return self.folder

    def log_metrics(self, metrics, step=None) -> None:
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        with (Path(self.folder) / "kept.csv").open("a") as file:
            file.write(f"{step},{metrics}\n")

    def log_hyperparams(self, params) -> None:
        pass
