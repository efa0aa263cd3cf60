"""The frame: bytes in, bytes out. Knows no loop, clock, file, socket or thread."""
