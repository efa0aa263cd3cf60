"""One module a kind: from a value as it was logged to its canonical form. Arrays and parameters in, arrays out; pure."""
