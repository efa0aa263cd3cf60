"""Shared memory: who owns what, what frees it, and what a dead process does to it. See SlabState for the ledger's rules."""
