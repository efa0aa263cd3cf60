"""The other side: what W1's scalars cost with a plain msgpack file, TensorBoard, wandb and trackio."""
