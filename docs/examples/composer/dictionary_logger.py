"""A destination as people write them for Composer: what it wants of a base class are names. It knows nothing of asynclog."""

try:
    from composer.loggers import LoggerDestination
except ImportError:
    LoggerDestination = object


class DictionaryLogger(LoggerDestination):
    """Every value of every metric, by name, with the batch it is of; and a line at the end of each epoch."""

    def __init__(self):
        self.data = {}
        self.hyperparameters = {}
        self.epochs = []

    def log_hyperparameters(self, hyperparameters):
        self.hyperparameters.update(hyperparameters)

    def log_metrics(self, metrics, step=None):
        for name, value in metrics.items():
            self.data.setdefault(name, []).append((step, value))

    def epoch_end(self, state, logger):
        self.epochs.append((int(state.timestamp.epoch), int(state.timestamp.batch)))

    def close(self, state, logger):
        print(f"{state.run_name}: {sum(map(len, self.data.values()))} values, epochs ended at {self.epochs}")
