"""Values as the bytes that other programs read: a value in, the content of a file out."""
