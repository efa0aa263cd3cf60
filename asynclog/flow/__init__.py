"""Decisions: what is due, what folds, what queues, when to try again. No loop, clock, file, socket or thread."""
