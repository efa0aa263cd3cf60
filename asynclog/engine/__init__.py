"""From announcements to frames in a journal, and from there to sinks. Runs in the recorder process, or in a thread."""
