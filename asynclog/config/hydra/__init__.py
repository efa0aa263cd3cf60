"""Hydra's configs, on its search path by hydra_plugins: the groups ``asynclog``, ``asynclog/sinks`` and ``logger``."""
