"""Models of the hub, against a small hub of our own: pinned, fetched once without code or pickles, and each refusal one line."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from analysis import hub, model_memory, model_source
from tests.tiny_models import tiny_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = Path(__file__).resolve().parents[2]
ASKED = """
import json, sys
from analysis import model_memory, model_source
from analysis.model import load_model
said = []
for name in json.loads(sys.argv[1]):
    try:
        memory = model_memory.model_memory(name)
        handle = load_model(name, "cpu")
        files = sorted(file.name for file in model_source.located(handle.name).iterdir())
        said.append([handle.name, handle.fingerprint, memory.needed, files])
    except ValueError as error:
        said.append(str(error))
print(json.dumps(said))
"""


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a model takes; `folder` holds its files."""

    folder: Path
    log: list[str]

    def do_GET(self):
        self.log.append(self.path)
        path = self.path.split("?")[0]
        name = "/".join(path.removeprefix("/api/models").split("/")[1:3])
        refused = {"some/gated": (403, "GatedRepo"), "some/broken": (500, "")}.get(name)
        if name not in ("own/tiny", "own/huge", "own/other", "own/pickles", "some/gated", "some/broken"):
            refused = (404, "RepoNotFound")
        elif "nowhere" in path:
            refused = (404, "RevisionNotFound")
        if refused:
            self.answer(refused[0], b"{}", {"X-Error-Code": refused[1]} if refused[1] else {})
        elif "/resolve/" in path:
            body = (self.folder / path.rsplit("/", 1)[1]).read_bytes()
            body = b'{"model_type": "t5"}' if name == "own/other" else body
            self.answer(200, body, {"X-Repo-Commit": COMMIT, "ETag": f'"{path[-40:]}"'})
        else:
            scale = 10**9 if name == "own/huge" else 1
            files = [(file.name, file.stat().st_size * scale) for file in sorted(self.folder.iterdir())
                     if name != "own/pickles" or file.suffix != ".safetensors"]
            tree = [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in files]
            about = {"id": name, "modelId": name, "sha": COMMIT, "siblings": [{"rfilename": n, "size": s} for n, s in files],
                     "safetensors": {"parameters": {"F32": 1000 * scale}, "total": 1000 * scale}}
            self.answer(200, json.dumps(tree if "/tree/" in path else about).encode(), {"Content-Type": "application/json"})

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes, headers: dict[str, str]):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def own_hub(tmp_path, tokenizer):
    folder = tmp_path / "hub"
    tiny_model("gpt2", len(tokenizer)).float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ("pytorch_model.bin", "code.py", "consolidated.safetensors"):
        (folder / name).write_bytes(b"never fetched")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Hub,), {"folder": folder, "log": []}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def asked(server, home: Path, names: list[str], **environment) -> list:
    given = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(home), "HF_HUB_OFFLINE": "0",
             "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1", **environment}
    arguments = [sys.executable, "-c", ASKED, json.dumps(names)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=given, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_model_of_the_hub(own_hub, tmp_path):
    from analysis.model import load_model

    handler = own_hub.RequestHandlerClass
    names = ["own/tiny", "own/tiny@main", "own/tiny@nowhere", "some/gated", "some/missing", "own/huge", "own/other", "own/pickles"]
    tiny, branch, nowhere, gated, missing, huge, other, pickles = asked(own_hub, tmp_path / "home", names)
    assert tiny[0] == branch[0] == f"own/tiny@{COMMIT}" and tiny[1] == load_model(handler.folder, "cpu").fingerprint
    assert tiny[2] > 0 and not {"pytorch_model.bin", "code.py", "consolidated.safetensors"} & set(tiny[3])
    assert "no such revision" in nowhere and "gated: accept its terms" in gated and "not on the hub, or private" in missing
    assert f"own/huge@{COMMIT}: loading it takes " in huge and " GB of memory, and " in huge
    assert "architecture 't5' is not supported" in other
    assert "own/pickles" in pickles and "has no safetensors on the hub" in pickles
    assert not any("own/huge" in path and "model.safetensors" in path for path in handler.log)
    assert not any("own/other" in path and "safetensors" in path for path in handler.log)  # its config.json was enough
    assert not any("code.py" in path or ".bin" in path for path in handler.log)
    assert sum("/resolve/" in path and "model.safetensors" in path for path in handler.log) <= 2  # asked about, and fetched once
    own_hub.shutdown()  # what was fetched is there without the hub
    again, unknown = asked(own_hub, tmp_path / "home", [f"own/tiny@{COMMIT}", "own/unknown"], HF_HUB_OFFLINE="1")
    assert again[:2] == tiny[:2] and "HF_HUB_OFFLINE is set" in unknown


def refused(error: Exception) -> str:
    with pytest.raises(hub.HubError) as caught, hub.explained("own/model"):
        raise error
    assert str(caught.value).startswith("own/model: ") and len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_each_refusal_of_the_hub_is_one_line():
    import httpx2
    from huggingface_hub import errors

    answer = {n: httpx2.Response(n, request=httpx2.Request("GET", "https://hub/x")) for n in (401, 403, 404, 500)}
    assert "gated: accept its terms" in refused(errors.GatedRepoError("no\nno", response=answer[403]))
    assert "not on the hub, or private" in refused(errors.RepositoryNotFoundError("no", response=answer[401]))
    assert "no such revision" in refused(errors.RevisionNotFoundError("no", response=answer[404]))
    assert "no such file" in refused(errors.RemoteEntryNotFoundError("no", response=answer[404]))
    assert "answered 500" in refused(errors.HfHubHTTPError("no", response=answer[500]))
    for unreached in (httpx2.ConnectError("no"), errors.LocalEntryNotFoundError("no")):
        assert "cannot be reached" in refused(unreached)
    with pytest.raises(ZeroDivisionError), hub.explained("own/model"):  # the control: what is no error of the hub stays what it is
        raise ZeroDivisionError


def test_no_network_is_said_at_once():
    """The suite runs with HF_HUB_OFFLINE."""
    with pytest.raises(ValueError, match=r"own/model: the hub cannot be reached .* HF_HUB_OFFLINE is set: unset it"):
        model_source.pinned("own/model")
    memory = model_memory.model_memory("own/model")
    assert memory.needed is None and "cannot be reached" in memory.unknown and memory.refusal == "" and memory.free > 0


def test_a_download_that_does_not_fit_the_disk(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "not" / "yet"))
    hub.check_space("own/model", 1)
    with pytest.raises(hub.HubError, match=r"own/model: a download of 1000000000.0 GB, but .* of free disk; make room, or set HF_HOME"):
        hub.check_space("own/model", 10**18)
