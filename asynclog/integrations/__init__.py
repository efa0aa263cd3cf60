"""asynclog inside of what people already have: a package each, imported by those who use it."""
