"""Stands in for W&B's server: over real HTTP on loopback, what W&B's own process asks of it, and no more.

Runs are made and resumed (GraphQL), lines of history, summary and events streamed at their offsets, files uploaded. It keeps
what it was given over a stop and a start, as a server does whose machine is started again.
"""

import gzip
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

_HISTORY = "wandb-history.jsonl"


@dataclass
class Run:
    """lines: of the history, by offset. ends: the exit codes it was completed with, in order."""

    fields: dict[str, Any] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(self.lines[at]) for at in sorted(self.lines)]

    @property
    def config(self) -> dict[str, Any]:
        held = json.loads(self.fields.get("config") or "{}")
        return {name: one["value"] for name, one in held.items() if name != "_wandb"}


class WandBServer:
    """A context manager; ``url`` for as long as it lives."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._port = 0
        self._http: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        server = self

        class Handler(_Handler):
            of = server

        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._http.daemon_threads = True
        self._port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        """From now on connections are refused."""
        assert self._http is not None
        assert self._thread is not None
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what is asked ------------------------------------------------------------------------------------------------

    def graphql(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.asked.append(operation)
            if operation == "Viewer":
                return {
                    "viewer": {
                        "id": "QQ==",
                        "entity": "me",
                        "username": "me",
                        "email": "me@there",
                        "flags": "{}",
                        "teams": None,
                    }
                }
            if operation == "RunResumeStatus":
                return {"model": self._model(given)}
            if operation == "UpsertBucket":
                return {"upsertBucket": {"bucket": self._upserted(given), "inserted": True}}
            if operation == "CreateRunFiles":
                run = given["run"]
                files = [{"name": one, "uploadUrl": f"{self.url}/put/{run}/{one}"} for one in given["files"]]
                return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}
            if not operation and given.keys() == {"entity", "name", "project"}:
                return {"project": {"artifact": None}}  # of which type is this artifact: there is none
            if operation == "CreateArtifact":
                return {
                    "createArtifact": {"artifact": {"id": "QQ==", "state": "COMMITTED", "artifactSequence": {"id": "QQ=="}}}
                }
            return {}

    def stream(self, run: str, given: dict[str, Any]) -> None:
        with self._lock:
            known = self.runs.setdefault(run, Run())
            history = given.get("files", {}).get(_HISTORY)
            if history is not None:
                for at, line in enumerate(history["content"], history["offset"]):
                    known.lines[at] = line
            if given.get("complete"):
                known.ends.append(given["exitcode"])

    def put(self, run: str, name: str, content: bytes) -> None:
        with self._lock:
            self.runs.setdefault(run, Run()).files[name] = content

    def _model(self, given: dict[str, Any]) -> dict[str, Any]:
        entity = {"id": "QQ==", "name": given["entity"]}
        run = self.runs.get(given["name"])
        bucket = None
        if run is not None:
            tail = [run.lines[at] for at in sorted(run.lines)[-1:]]
            bucket = {
                "id": "QQ==",
                "name": given["name"],
                "summaryMetrics": "{}",
                "displayName": run.fields.get("displayName"),
                "logLineCount": 0,
                "historyLineCount": len(run.lines),
                "eventsLineCount": 0,
                "historyTail": json.dumps(tail),
                "eventsTail": "[]",
                "config": run.fields.get("config") or "{}",
                "tags": run.fields.get("tags") or [],
                "notes": None,
                "wandbConfig": "{}",
            }
        return {"id": "QQ==", "name": given["project"], "entity": entity, "bucket": bucket}

    def _upserted(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(given["name"], Run())
        run.fields |= {name: one for name, one in given.items() if one is not None}
        project = {"id": "QQ==", "name": given["project"], "entity": {"id": "QQ==", "name": given["entity"] or "me"}}
        return {
            "id": "QQ==",
            "name": given["name"],
            "displayName": run.fields.get("displayName"),
            "description": None,
            "config": run.fields.get("config"),
            "sweepName": None,
            "project": project,
            "historyLineCount": len(run.lines),
        }


class _Handler(BaseHTTPRequestHandler):
    of: WandBServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            asked = json.loads(body)
            self._answer({"data": self.of.graphql(asked.get("operationName") or "", asked.get("variables") or {})})
        elif self.path.endswith("/file_stream"):
            self.of.stream(self.path.split("/")[-2], json.loads(body))
            self._answer({})
        else:
            self._answer({})

    def do_PUT(self) -> None:
        _, _, run, name = self.path.split("/", 3)
        self.of.put(run, unquote(name), self._body())
        self._answer({})

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, said: dict[str, Any]) -> None:
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass
