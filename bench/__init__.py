"""What asynclog costs a training loop, measured beside a reference and its peers; `python -m bench` runs it."""
