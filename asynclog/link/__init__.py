"""How the training process tells others what it recorded: announcements in shared memory, doorbells over a socket."""
