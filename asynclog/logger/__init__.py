"""The training process's side: collecting, limiting, and taking snapshots into shared memory."""
