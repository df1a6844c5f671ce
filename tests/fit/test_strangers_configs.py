"""What lies beside a stranger's checkpoint is data: nothing it names runs, is imported, opened or fetched."""

import json
from pathlib import Path

import pytest
import yaml
from child_processes import run_python
from made_runs import make_run

from tinyworlds.commands.cli import main
from tinyworlds.errors import ConfigError
from tinyworlds.fit.config_reading import _ParsingOnly
from tinyworlds.fit.saved_config import saved_settings

MARK = "HOSTILE"
CALL = {"class_path": "os.mkdir", "init_args": {"path": MARK}}
VALUES = (
    "os.mkdir", "hostile_module.Thing", "LambdaCallback", "ModelCheckpoint", "WandbLogger", "DDPStrategy",
    "../hostile.yaml", "/dev/zero", "http://127.0.0.1:9/hostile", "file:///hostile",
    r"\\host\share", "~/hostile",
    CALL, [CALL], {"_target_": "os.mkdir", "path": MARK}, {"init_args": {"on_fit_start": "os.mkdir"}},
    {"class_path": "tinyworlds.VideoTokenizerStage", "init_args": {"optimizer": CALL}}, {"a": {"b": [CALL]}},
    [["os.mkdir"]], ["hostile"], float("nan"), float("inf"), 1 << 70, 10**350, "1e9" * 200,
    {"__class__": "x"}, "",
)  # fmt: skip


class _Keys(_ParsingOnly):
    """Asks the parser what settings there are, those of the stages included."""

    def parse_arguments(self, parser, args):
        own = self._subcommand_parsers["fit"]
        kinds = ("_HelpAction", "ActionConfigFile", "_ActionPrintConfig", "_ActionHelpClassPath")
        self.keys = [action.dest for action in own._actions if type(action).__name__ not in kinds]
        from tinyworlds.fit.parser import model_keys

        self.keys += [f"model.init_args.{name}" for name in model_keys()] + ["model.class_path"]
        raise InterruptedError


def settings_of_fit():
    try:
        cli = _Keys.__new__(_Keys)
        cli.__init__("fit", [])
    except InterruptedError:
        return cli.keys
    raise AssertionError


KEYS = settings_of_fit()
ELSEWHERE = (
    "optimizer", "lr_scheduler", "config", "trainer.callbacks.0", "model.dict_kwargs", "data.class_path",
    "data.init_args", "__default_config__", "default_env", "print_config", "subcommand",
)  # fmt: skip
HARMLESS = {"run", "wandb", "ckpt_path", "weights_only"}  # never taken from a file


def test_the_parser_tells_all_its_settings():
    wanted = {f"trainer.{name}" for name in ("callbacks", "logger", "strategy", "plugins", "profiler")}
    wanted |= {"data.files", "trainer.default_root_dir", "rollout.out", "model.init_args.tokenizer", "run"}
    assert wanted <= {*KEYS}
    assert len(KEYS) > 90


def nested(key, value):
    content = {"model": {"class_path": "tinyworlds.VideoTokenizerStage", "init_args": {}}}
    node, *path = content, *key.split(".")
    for part in path[:-1]:
        node = node.setdefault(part, {})
    node[path[-1]] = value
    return content


def is_within_this_folder(name):
    names = name if isinstance(name, list) else [name]
    return all(isinstance(each, str) and each[:1] not in "./~\\" and ":" not in each for each in names)


@pytest.mark.parametrize("key", [*KEYS, *ELSEWHERE])
def test_no_setting_takes_a_class_or_a_file(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run" / "video_tokenizer" / "version_0" / "config.yaml"
    path.parent.mkdir(parents=True)
    for value in VALUES:
        if key == "data.files" and is_within_this_folder(value):
            continue  # as an older run names its data
        path.write_text(yaml.safe_dump(nested(key, value)))
        if key in HARMLESS:
            assert key not in saved_settings(path)
        elif key in ("model.init_args.tokenizer", "model.init_args.latent_actions") and isinstance(
            value, str
        ):
            if value.startswith(("/", "..", "~", "\\", "http", "file")):
                assert not saved_settings(path)["model"]["init_args"]
        else:
            with pytest.raises(ConfigError, match=r"--config|--data\.files") as failure:
                saved_settings(path)
            assert "\n" not in str(failure.value)


TAGS = "!!python/object/apply:os.mkdir [HOSTILE]", "!!python/name:os.mkdir", "!include other.yaml", "&a [*a]"


@pytest.mark.parametrize(
    "text", [*(f"trainer: {{callbacks: {tag}}}" for tag in TAGS), "- 1", "{", "\0", "a: [" * 99]
)
def test_what_is_no_plain_yaml_is_one_line(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as failure:
        saved_settings(path)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.slow
def test_what_training_writes_is_taken_whole(tiny_h5, tmp_path):
    from tiny_runs import train

    version = train("video_tokenizer", tiny_h5, tmp_path / "run", "--trainer.max_steps=1")
    settings = saved_settings(version / "config.yaml")
    written = yaml.safe_load((version / "config.yaml").read_text())
    written = {
        key: value for key, value in written.items() if key not in HARMLESS - {"run"} and value is not None
    }
    written["model"]["class_path"] = "tinyworlds.training.stages.VideoTokenizerStage"
    assert settings == written
    assert settings["run"] == str(tmp_path / "run")
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    assert "run" not in saved_settings(moved / "video_tokenizer" / "version_0" / "config.yaml")


def test_callbacks_of_ours_are_taken(tmp_path):
    path = tmp_path / "config.yaml"
    ours = [{"class_path": "callbacks.Throughput", "init_args": {}}]
    path.write_text(yaml.safe_dump({"trainer": {"callbacks": ours}}))
    assert saved_settings(path) == {"trainer": {"callbacks": ours}}


RUN_ALL = """
    import json, sys, yaml, traceback
    from pathlib import Path
    sys.path.insert(0, ".")
    ran = []
    NAMES = ("hostile", "HOSTILE", "/dev/zero")

    def watch(event, arguments):
        told = repr(arguments)
        begun = event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.mkdir")
        named = any(name in told for name in NAMES)
        if named and (begun or event in ("socket.connect", "open", "import")):
            ran.append((event, told))

    from tinyworlds.commands.cli import main
    import contextlib, io
    cases = json.loads(Path("cases.json").read_text())
    commands = json.loads(Path("commands.json").read_text())
    import tinyworlds.fit.cli, tinyworlds.api
    sys.addaudithook(watch)
    wrong = []
    for place, config in cases:
        Path(place).write_text(config)
        for words in commands:
            err = io.StringIO()
            try:
                with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
                    code = main(words)
            except BaseException as error:
                code = traceback.format_exc()
            lines = err.getvalue().strip().splitlines()
            fits = words[0] in ("fit", "validate", "test", "predict")
            if ran or not isinstance(code, int) or (fits and (code == 0 or len(lines) != 1)):
                wrong.append([config, words, code, lines, ran[:]])
                ran.clear()
    print("WRONG", json.dumps(wrong))
    """


@pytest.mark.slow
@pytest.mark.parametrize("commands", ["of Lightning", "others"])
def test_no_command_runs_what_a_config_beside_a_checkpoint_names(commands, tmp_path):
    make_run(tmp_path / "run", None)
    (tmp_path / "hostile_module.py").write_text("open('HOSTILE', 'w')\n")
    (tmp_path / "hostile.yaml").write_text("class_path: os.mkdir\n")
    config = tmp_path / "run" / "dynamics" / "version_0" / "config.yaml"
    checkpoint = str(config.parent / "checkpoints" / "last.ckpt")
    keys = [key for key in [*KEYS, *ELSEWHERE] if key not in HARMLESS]
    if commands == "others":
        keys = [key for key in keys if key.startswith(("data", "trainer.callbacks"))]
        words = [["evaluate", "run"], ["actions", "run", "--sheet", "none"], ["export", "run", "out.world"],
                 ["convert", "run", "out.world"], ["play", "run", "--headless", "--keys", "w"]]  # fmt: skip
        values = ["../hostile_module.Thing"]
    else:
        words = [[command, f"--ckpt_path={checkpoint}"] for command in ("fit", "validate", "test", "predict")]
        keys = [key for key in keys if "tokenizer" not in key and "latent_actions" not in key]
        values = [CALL, "hostile_module.Thing", "os.mkdir", [CALL], "/dev/zero"]
    cases = [(str(config), json.dumps(nested(key, value))) for key in keys for value in values]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "commands.json").write_text(json.dumps(words))
    done = run_python(RUN_ALL, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    wrong = json.loads(done.stdout.splitlines()[-1].removeprefix("WRONG "))
    assert not wrong, wrong[:3]
    assert not list(tmp_path.rglob("HOSTILE"))


def test_a_config_that_the_user_gives_may_name_classes(tiny_h5, tmp_path, capsys):
    from tiny_runs import train

    version = train("video_tokenizer", tiny_h5, tmp_path / "run", "--trainer.max_steps=1")
    config, checkpoint = version / "config.yaml", version / "checkpoints" / "last.ckpt"
    text = config.read_text()
    assert "callbacks: null" in text
    config.write_text(
        text.replace("callbacks: null", "callbacks: [{class_path: lightning.pytorch.callbacks.Timer}]")
    )
    assert main(["validate", "--ckpt_path", str(checkpoint)]) == 2
    err = capsys.readouterr().err
    assert "lightning.pytorch.callbacks.Timer" in err
    assert f"--config {config}" in err
    assert main(["validate", "--config", str(config), "--ckpt_path", str(checkpoint)]) == 0


def test_dynamics_from_elsewhere_find_their_partners_in_their_own_run(
    tiny_h5, partners, tmp_path, monkeypatch
):
    from tiny_runs import train

    version = train("dynamics", tiny_h5, partners, "--trainer.max_steps=1")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    moved = version.parent.parent.rename(tmp_path / "downloaded")
    assert (
        main(["test", "--ckpt_path", str(moved / "dynamics" / "version_0" / "checkpoints" / "last.ckpt")])
        == 0
    )
    assert not Path("run").exists()
