"""A table of every kind, layout, library and dtype, each cell logged and read back: measured, and written as a page."""
