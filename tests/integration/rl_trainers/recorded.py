"""What the trainers' own classes take, as of these versions of their sources: names, order and defaults, which are all that a
call can see. None of them can be installed beside this project's torch.
"""

VERL = {
    # verl-project/verl, verl/utils/tracking.py at 047621b2583780b8ebda21126e75f5bf48dea7b9
    "Tracking": {
        "__init__": "project_name, experiment_name, default_backend='console', config=None",
        "log": "data, step, backend=None",
        "finish": "exit_code=0",
    },
    "ValidationGenerationsLogger": {"__init__": "project_name=None, experiment_name=None", "log": "loggers, samples, step"},
    "DapoFilteredRewardTableLogger": {
        "__init__": "project_name=None, experiment_name=None",
        "log": "loggers, reward_counts, step",
    },
}
VERL_BACKENDS = (
    *("wandb", "mlflow", "swanlab", "vemlp_wandb", "tensorboard", "console", "clearml", "trackio", "file", "rl_insight"),
)
VERL_BACKEND = {"log": "data, step"}

PRIME_RL_MONITOR = {
    # PrimeIntellect-ai/prime-rl, src/prime_rl/monitors/base.py at 17df50bb532737d1a311487b00642236f27f416d
    "__init__": "config",
    "init": "**kwargs",
    "log": "data, step, kind='train', subset='effective'",
    "log_metrics": "metrics, step",
    "log_episodes": "episodes, step, kind, subset",
    "log_annotations": "updates",
    "log_live": "events",
    "log_eval_plan": "env_name, step, expected, group_size",
    "log_eval_epoch": "env_name, step, episodes",
    "finalize": "",
}
PRIME_RL_SYNC_MONITOR = {
    # The same repository, src/prime_rl/utils/monitor/base.py, as it was before monitors became awaited
    "log": "metrics, step",
    "log_samples": "rollouts, step",
    "log_eval_samples": "rollouts, env_name, step",
    "save_final_summary": "filename='final_summary.json'",
    "log_distributions": "distributions, step",
    "close": "",
}

TINKER = {
    # thinking-machines-lab/tinker-cookbook, tinker_cookbook/utils/ml_log.py at 19bdd47162664e09e1889863546b34b62f9ba358
    "Logger": {
        "log_hparams": "config",
        "log_metrics": "metrics, step=None",
        "log_long_text": "key, text",
        "close": "",
        "sync": "",
        "get_logger_url": "",
    },
    "MultiplexLogger": {
        "__init__": "loggers",
        "log_hparams": "config",
        "log_metrics": "metrics, step=None",
        "log_long_text": "key, text",
        "close": "",
        "sync": "",
        "get_logger_url": "",
    },
    "setup_logging": "log_dir, wandb_project=None, wandb_name=None, config=None, do_configure_logging_module=True",
}
