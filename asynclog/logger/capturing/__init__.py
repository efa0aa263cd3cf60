"""What a program says beside its logger: prints, log records, warnings, how it fails, where it runs, how its loop turns."""
