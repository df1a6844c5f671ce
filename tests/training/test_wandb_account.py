"""Is this machine logged in to W&B? The answer is on its disk."""

import sys
from pathlib import Path

from tinyworlds.doctor import software
from tinyworlds.training import wandb_account


def test_wandb_login_is_looked_up_on_this_disk_only(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    assert not wandb_account.is_logged_in(tmp_path)
    keys = tmp_path / ("_netrc" if sys.platform == "win32" else ".netrc")
    keys.write_text("machine other.host\n  login user\n  password none\n", encoding="ascii")
    assert not wandb_account.is_logged_in(tmp_path)
    keys.write_text("machine api.wandb.ai\n  login user\n  password none\n", encoding="ascii")
    keys.chmod(0o600)
    assert wandb_account.is_logged_in(tmp_path)
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not wandb_account.is_logged_in(tmp_path)
    monkeypatch.setenv("NETRC", str(tmp_path / "elsewhere"))
    assert not wandb_account.is_logged_in(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert wandb_account.is_logged_in(tmp_path)
    (finding,) = software.check_wandb()
    assert finding.text.startswith("logged in")
    assert "x" * 40 not in finding.text + finding.remedy


def test_a_damaged_key_file_is_no_login(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "keys"))
    Path(tmp_path / "keys").write_text("machine", encoding="ascii")
    assert not wandb_account.is_logged_in()


def test_a_user_without_a_home_folder(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert not wandb_account.is_logged_in()
