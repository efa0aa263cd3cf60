"""TensorBoard: event files, and a server beside the run.

sink        what a route delivers to              share       a batch, divided by directory
event_file  one file, each record once            making      a batch's part as records
scalars     numbers, a batch at a time            shown       other values as tensors · pr_curve · markdown
tags        which tag shows which series          hparams     settings · layout  custom scalars
tfrecord, protobuf, summaries   the format        server, serving   a TensorBoard of the run's own
"""

from asynclog.sinks.tensorboard.sink import TensorBoard

__all__ = ["TensorBoard"]
