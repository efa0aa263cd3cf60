"""MLflow: a run there for each run here, in any store that MLflow's client can reach."""

from asynclog.sinks.mlflow.sink import MLflow

__all__ = ["MLflow"]
