"""Artifacts in an object store: S3, Google Cloud Storage, Azure, a directory."""

from asynclog.sinks.objectstore.sink import ObjectStore

__all__ = ["ObjectStore"]
