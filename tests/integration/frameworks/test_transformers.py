"""Transformers' Trainer trains a model of a few hundred weights, and the run holds what it logged. No network."""

import warnings
from pathlib import Path
from typing import Any

import pytest

import asynclog as al

pytestmark = [
    # Of the vendor's own making.
    pytest.mark.filterwarnings("ignore:::transformers"),
    pytest.mark.filterwarnings("ignore:::accelerate"),
    pytest.mark.filterwarnings("ignore:::torch"),
]


@pytest.fixture(scope="module")
def transformers() -> Any:
    """Imported by the process that runs these tests, and by no other that collects them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("transformers")
        # It loads its parts when they are asked for.
        assert found.Trainer is not None
        assert found.BertForSequenceClassification is not None
        return found


@pytest.fixture
def callback_class(transformers: Any) -> Any:
    from asynclog.integrations.transformers import AsynclogCallback

    return AsynclogCallback


def trainer_of(package: Any, directory: Path, callback: Any, *, further: Any = (), **given: Any) -> Any:
    import torch

    config = package.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, max_position_embeddings=8
    )
    words = torch.randint(0, 20, (16, 6), generator=torch.Generator().manual_seed(0))
    data = [{"input_ids": one, "labels": torch.tensor(number % 2)} for number, one in enumerate(words)]
    given = {"num_train_epochs": 2, "logging_steps": 1, "save_strategy": "no", "eval_strategy": "epoch", **given}
    quiet = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "dataloader_pin_memory": False}
    arguments = package.TrainingArguments(str(directory), per_device_train_batch_size=4, learning_rate=1e-3, **quiet, **given)
    return package.Trainer(
        package.BertForSequenceClassification(config),
        arguments,
        train_dataset=data,
        eval_dataset=data[:4],
        callbacks=[callback, *further],
    )


def told(history: list[dict[str, Any]]) -> set[tuple[str, int, float, float]]:
    """What a Trainer remembers of its own logging: name, step, epoch with its fraction, value."""
    return {
        (key, one["step"], one["epoch"], float(value))
        for one in history
        for key, value in one.items()
        if key not in ("step", "epoch")
    }


def held(run: al.Run) -> set[tuple[str, int, float, float]]:
    return {(one.key, one.step, one.axes["epoch"], float(one.value)) for one in run.events(kind="scalar")}


def points(run: al.Run, key: str) -> list[tuple[int, float]]:
    series = run.series(key)
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def test_what_a_trainer_logs_is_what_the_run_holds(transformers: Any, callback_class: Any, tmp_path: Path) -> None:
    trainer = trainer_of(transformers, tmp_path / "out", callback_class(tmp_path / "run"))
    trainer.train()
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.missing == 0
    assert held(run) == told(trainer.state.log_history)
    assert [step for step, _ in points(run, "loss")] == list(range(1, 9))
    assert {one.phase for one in run.events(key="eval_loss")} == {"valid"}
    assert {one.phase for key in ("loss", "learning_rate", "train_loss") for one in run.events(key=key)} == {"train"}
    assert [one.epoch for one in run.events(key="loss")] == [0, 0, 0, 1, 1, 1, 1, 2]

    config = run.config
    assert (config["learning_rate"], config["num_train_epochs"]) == (1e-3, 2)
    assert (config["model"]["hidden_size"], config["model"]["model_type"]) == (8, "bert")
    assert config["num_parameters"] == trainer.model.num_parameters()


def test_an_evaluation_and_a_prediction_after_it_belong_to_its_run(
    transformers: Any, callback_class: Any, tmp_path: Path
) -> None:
    trainer = trainer_of(transformers, tmp_path / "out", callback_class(tmp_path / "run"), num_train_epochs=1)
    trainer.train()
    evaluated = trainer.evaluate(metric_key_prefix="eval_again")
    predicted = trainer.predict(trainer.eval_dataset).metrics
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert points(run, "eval_again_loss") == [(4, evaluated["eval_again_loss"])]
    assert points(run, "test_loss") == [(4, predicted["test_loss"])]
    assert [(one.key, one.phase) for one in run.events() if one.key in ("eval_again_loss", "test_loss")] == [
        ("eval_again_loss", "valid"),
        ("test_loss", "test"),
    ]
    assert len(run.writers) == 3


def test_a_training_that_goes_on_goes_on_with_its_run(transformers: Any, callback_class: Any, tmp_path: Path) -> None:
    """From a checkpoint, with another Trainer and another callback, as after a restart."""
    before = trainer_of(
        transformers, tmp_path / "out", callback_class(tmp_path / "run"), max_steps=4, save_strategy="steps", save_steps=4
    )
    before.train()
    after = trainer_of(transformers, tmp_path / "out", callback_class(tmp_path / "run", resume="must"), max_steps=8)
    after.train(resume_from_checkpoint=True)
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert [step for step, _ in points(run, "loss")] == list(range(1, 9))
    # The Trainer takes its history along in the checkpoint, without the summary that came after it.
    assert held(run) == told(before.state.log_history) | told(after.state.log_history)


class Failing:
    """Raises in the third step."""

    def __init__(self, package: Any) -> None:
        class Callback(package.TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.global_step == 3:
                    raise ValueError("the loss has gone")

        self.callback = Callback()


def test_an_exception_under_with_is_how_the_run_ends(transformers: Any, callback_class: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the loss has gone"), callback_class(tmp_path / "run") as callback:
        trainer_of(transformers, tmp_path / "out", callback, further=[Failing(transformers).callback]).train()
    run = al.read(tmp_path / "run")
    (writer,) = run.writers
    assert (writer.status, writer.error) == ("failed", "ValueError: the loss has gone")
    assert [step for step, _ in points(run, "loss")] == [1, 2]


def test_another_training_after_one_that_failed_goes_on_with_the_run(
    transformers: Any, callback_class: Any, tmp_path: Path
) -> None:
    """Nobody told the callback that the first one was over."""
    with pytest.raises(ValueError, match="the loss has gone"):
        trainer_of(
            transformers, tmp_path / "out", callback_class(tmp_path / "run"), further=[Failing(transformers).callback]
        ).train()
    trainer_of(transformers, tmp_path / "out", callback_class(tmp_path / "run"), max_steps=2).train()
    run = al.read(tmp_path / "run")
    assert [one.status for one in run.writers] == ["failed", "finished"]
    assert [step for step, _ in points(run, "loss")] == [1, 2, 1, 2]


def test_each_trial_of_a_search_is_a_run(transformers: Any, callback_class: Any, tmp_path: Path) -> None:
    """As hyperparameter_search calls the Trainer, whichever library chooses."""
    trainer = trainer_of(transformers, tmp_path / "out", callback_class(tmp_path / "runs"), max_steps=2)
    for rate in (0.1, 0.2):
        trainer.train(trial={"learning_rate": rate})
    assert not (tmp_path / "runs" / "run.json").exists()
    runs = [al.read(tmp_path / "runs" / name) for name in ("trial-0", "trial-1")]
    assert [run.config["trial"] for run in runs] == [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    assert [(run.status, len(run.series("loss"))) for run in runs] == [("finished", 2)] * 2

    with al.MultiLogger(tmp_path / "one") as log:
        trainer = trainer_of(transformers, tmp_path / "out", callback_class(log), max_steps=2)
        for rate in (0.1, 0.2):
            trainer.train(trial={"learning_rate": rate})
    run = al.read(tmp_path / "one")
    assert [len(run.series("loss", namespace=f"trial-{number}")) for number in (0, 1)] == [2, 2]


def test_only_the_worlds_process_zero_records(transformers: Any, callback_class: Any, tmp_path: Path) -> None:
    callback = callback_class(tmp_path / "run")
    trainer = trainer_of(transformers, tmp_path / "out", callback)
    trainer.state.is_world_process_zero = False
    for event, given in (("on_train_begin", {}), ("on_log", {"logs": {"loss": 1.0}}), ("on_predict", {"metrics": {"a": 1.0}})):
        getattr(callback, event)(trainer.args, trainer.state, trainer.control, model=trainer.model, **given)
    callback.on_evaluate(trainer.args, trainer.state, trainer.control)
    callback.on_train_end(trainer.args, trainer.state, trainer.control)
    assert not (tmp_path / "run").exists()


def test_a_logger_that_is_handed_over_stays_its_owners(transformers: Any, callback_class: Any, tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run") as log:
        trainer = trainer_of(transformers, tmp_path / "out", callback_class(log), max_steps=2)
        trainer.train()
        trainer.evaluate()
        log.log_scalar("after", 1.0)
        log.write_blocking(100)
    run = al.read(tmp_path / "run")
    assert points(run, "after") == [(100, 1.0)]
    assert len(run.series("eval_loss")) == 2
    assert len(run.writers) == 1
