"""The doors of the running server: who is let in, by which name, with what, and what its answers let a browser do."""

import http.client
import http.server
import pickle
import re
import socket
import threading
from urllib.parse import urlsplit

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.analysis.test_pickles import Canary
from tests.browser.conftest import go, serve, settle

ROUTES = ["/", "/forget_set", "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/_stcore/stream", "/media/0.png",
          "/static/css/none.css", "/component/none/index.html", "/_stcore/bidi-components/none/none.js", "/count"]
FOREIGN_HOSTS = ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example", "0.0.0.0:{port}",
                 "[::1]:{port}", "127.1:{port}", "2130706433:{port}", "", "evil.example@127.0.0.1"]
FOREIGN_ORIGINS = ["http://evil.example", "null", "file://", "http://localhost:1", "http://127.0.0.1:1", "http://127.0.0.1",
                   "http://[", "http://127.0.0.1:{port}.evil.example"]
SECRET = re.compile(r"root:|maxUploadSize|import streamlit|\[server\]|Index of|Directory listing")


def port_of(address: str) -> int:
    return urlsplit(address).port


def ask(address: str, path: str, method: str = "GET", body=None, **headers: str) -> tuple[http.client.HTTPResponse, str]:
    """The answer to a request whose path and headers go out as they are; `_` in a header's name stands for a dash."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(address), timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body, encode_chunked="Transfer_Encoding" in headers)
    answer = connection.getresponse()
    return answer, answer.read().decode(errors="replace")


def listens(address: str, host: str | None = None, origin: str | None = None) -> bool:
    """Whether the websocket opens to a visitor that calls the server by this name and comes from this page."""
    raw = socket.create_connection(("127.0.0.1", port_of(address)), timeout=60)
    more = {"Origin": origin} if origin is not None else {}
    try:
        with connect(f"ws://{host or f'127.0.0.1:{port_of(address)}'}/_stcore/stream", sock=raw, subprotocols=["streamlit"],
                     additional_headers=more, open_timeout=60):
            return True
    except InvalidStatus as refused:
        assert 400 <= refused.response.status_code < 404
        return False
    finally:
        raw.close()


@pytest.mark.parametrize("path", ROUTES)
def test_a_foreign_host_is_refused_on_every_route(shared_server, path):
    """A page of another site that has its name point to 127.0.0.1 (DNS rebinding) gets no answer from Lethe."""
    port = port_of(shared_server)
    for host in FOREIGN_HOSTS:
        answer, said = ask(shared_server, path, Host=host.format(port=port))
        assert answer.status == 400 and "Streamlit" not in said, host
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST"):
        assert ask(shared_server, path, Host=host)[0].status != 400


@pytest.mark.parametrize("path", ROUTES)
def test_a_foreign_page_is_refused_on_every_route(shared_server, path):
    port = port_of(shared_server)
    for origin in FOREIGN_ORIGINS:
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            answer, _ = ask(shared_server, path, method, Origin=origin.format(port=port))
            assert answer.status == 403 and not answer.getheader("Access-Control-Allow-Origin"), (origin, method)
    answer, _ = ask(shared_server, path, Origin=shared_server)
    assert answer.status != 403 and answer.getheader("Access-Control-Allow-Origin") in (None, shared_server)


def test_the_websocket_opens_to_own_pages_alone(shared_server):
    port = port_of(shared_server)
    assert listens(shared_server) and listens(shared_server, origin=shared_server)
    assert listens(shared_server, f"localhost:{port}", f"http://localhost:{port}")
    for host in ("evil.example", f"127.0.0.1.evil.example:{port}", "[::1]"):
        assert not listens(shared_server, host)
        assert not listens(shared_server, host, f"http://{host}")  # of the same origin, as after DNS rebinding
    for origin in FOREIGN_ORIGINS:
        assert not listens(shared_server, origin=origin.format(port=port))


def test_hosts_and_origins_are_a_setting_for_those_who_serve_it_elsewhere(tmp_path):
    with serve(tmp_path, STREAMLIT_SERVER_ALLOWED_HOSTS="lethe.example", STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS="https://lab.example",
               host="lethe.example") as address:
        assert listens(address, "lethe.example", "https://lethe.example")  # behind a proxy that passes the name on
        assert listens(address, "lethe.example", "https://lab.example")
        assert not listens(address, "lethe.example", "https://evil.example") and not listens(address)


def test_only_this_machine_can_connect(shared_server):
    ours = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port_of(shared_server)]
    assert ours and {connection.laddr.ip for connection in ours} == {"127.0.0.1"}


@pytest.mark.parametrize("start", ["", "/static", "/static/js", "/media", "/component", "/component/none", "/app/static",
                                   "/_stcore/bidi-components/none", "/_stcore/upload_file/none", "/pages"])
def test_no_address_leaves_its_folder_or_lists_it(shared_server, start):
    up = ["/../", "/../../../../../../etc/", "/..%2f..%2f..%2f..%2f..%2f..%2fetc%2f", "/%2e%2e/%2e%2e/%2e%2e/etc/", "/..\\..\\..\\",
          "//etc/", "/%00/", "/․․/․․/".encode().decode("latin-1"), "/．．/．．/".encode().decode("latin-1"), "/C:/", "/", ""]
    for path in up:
        for name in ("", "passwd", "app.py", ".streamlit/config.toml", "etc/passwd"):
            said = raw(shared_server, f"{start}{path}{name}")
            assert not SECRET.search(said), f"{start}{path}{name}"


def raw(address: str, path: str) -> str:
    """What the server says to a GET whose path no client has tidied up."""
    with socket.create_connection(("127.0.0.1", port_of(address)), timeout=60) as line:
        line.sendall(f"GET {path or '/'} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode("latin-1"))
        return b"".join(iter(lambda: line.recv(65536), b"")).decode(errors="replace")


@pytest.mark.parametrize("path", ROUTES[:-1])
def test_every_answer_says_what_a_browser_may_do_with_it(shared_server, path):
    answer, _ = ask(shared_server, path)
    policy = answer.getheader("Content-Security-Policy")
    assert "frame-ancestors 'none'" in policy and "script-src 'self' blob: 'sha256-" in policy and "http://" not in policy
    assert answer.getheader("X-Content-Type-Options") == "nosniff" and answer.getheader("Referrer-Policy") == "no-referrer"


@pytest.fixture
def upload(shared_server, new_page):
    """upload(body, leave_out, **headers) -> the status of sending a file as the page of Forget set does, with headers changed."""
    page = go(new_page(), f"{shared_server}/forget_set")
    with page.expect_request(lambda request: request.method == "PUT") as sent:
        page.locator("[data-testid=stFileUploaderDropzoneInput]").first.set_input_files(
            {"name": "own.jsonl", "mimeType": "", "buffer": b'{"question": "a", "answer": "b"}\n'})
    known = sent.value.all_headers()
    path = urlsplit(sent.value.url).path
    form = {"Cookie": known["cookie"], "X_Xsrftoken": known["x-xsrftoken"], "Content_Type": "multipart/form-data; boundary=x"}

    def put(body, leave_out: str = "", **headers: str) -> int:
        return ask(shared_server, path, "PUT", body, **{k: v for k, v in (form | headers).items() if k != leave_out})[0].status

    return put


def part(size: int) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\n\r\n' + b"a" * size + b"\r\n--x--\r\n"


def test_an_upload_needs_the_token_the_origin_and_less_than_20_mb(shared_server, upload):
    def sized(body: bytes) -> dict[str, str]:
        return {"Content_Length": str(len(body))}

    small, most, large = part(10), part(20 * 2**20 - 200), part(20 * 2**20 + 1)
    assert upload(small, **sized(small)) == upload(small, Origin=shared_server, **sized(small)) == 204
    assert upload(most, **sized(most)) == 204 and upload(large, **sized(large)) == 413
    assert upload(iter([large]), Transfer_Encoding="chunked") == 413
    assert upload(iter([small]), Transfer_Encoding="chunked") == 204
    for name in ("Cookie", "X_Xsrftoken"):
        assert upload(small, name, **sized(small)) == 403
    assert upload(small, X_Xsrftoken="2|00000000|00|0", **sized(small)) == 403
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):  # pages of other ports share the cookie, and so the token
        assert upload(small, Origin=origin, **sized(small)) == 403


def test_a_pickle_as_an_upload_never_runs(shared_server, new_page, tmp_path):
    content = pickle.dumps(Canary(canary := tmp_path / "canary"))
    page = go(new_page(), f"{shared_server}/forget_set")
    for name in ("own.jsonl", "own.json", "own.csv", "own.parquet"):
        drop = page.locator("[data-testid=stFileUploaderDropzoneInput]").first
        with page.expect_request(lambda request: request.method == "PUT") as sent:
            drop.set_input_files({"name": name, "mimeType": "application/x-pickle", "buffer": content})
        assert sent.value.response().status == 204
        page.get_by_test_id("stAlert").filter(has_text="cannot be read").first.wait_for()
        settle(page)
    assert not canary.exists()
    pickle.loads(content)
    assert canary.exists()  # the control


ATTACK = """async target => {
    const attempt = promise => promise.then(() => true, () => false);
    const socket = new WebSocket(target.replace('http', 'ws') + '/_stcore/stream', 'streamlit');
    const frame = document.createElement('iframe');
    frame.src = target;
    document.body.append(frame);
    return {
        socket: await attempt(new Promise((yes, no) => { socket.onopen = yes; socket.onerror = no; })),
        read: await attempt(fetch(target + '/_stcore/health')),
        image: await attempt(new Promise((yes, no) =>
            Object.assign(new Image(), {onload: yes, onerror: no, src: `${target}/favicon.png`}))),
    };
}"""
INJECTED = """async elsewhere => {
    window.ran = [];
    document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.ran.push(1)">');
    document.body.insertAdjacentHTML('beforeend', '<iframe srcdoc="<script>parent.ran.push(2)</script>"></iframe>');
    document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran.push(3)'}));
    document.body.append(Object.assign(document.createElement('script'), {src: elsewhere + '/x.js'}));
    const asked = await fetch(elsewhere, {mode: 'no-cors'}).then(() => true, () => false);
    await new Promise(done => setTimeout(done, 1000));
    return {ran: window.ran.sort(), asked};
}"""


@pytest.fixture
def elsewhere():
    """The address of another program's pages on another port of this machine, and what they were asked for."""
    asked = []

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Elsewhere</title><body>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_page_of_another_port_reaches_nothing(shared_server, elsewhere, chromium):
    """Neither the websocket, nor an answer that it may read, nor a picture, nor a frame to lure a click into."""
    page = chromium.new_page()
    page.goto(elsewhere[0])
    assert page.evaluate(ATTACK, shared_server) == {"socket": False, "read": False, "image": False}
    page.wait_for_function("() => frames[0].length === 0")
    assert all(frame.url.startswith("chrome-error:") for frame in page.frames[1:])
    page.goto(f"{shared_server}/_stcore/health")  # the control: a page of the server's own
    assert page.evaluate(ATTACK, shared_server) == {"socket": True, "read": True, "image": True}
    page.close()


def test_markup_that_got_onto_a_page_could_neither_run_nor_send_anything_out(shared_server, elsewhere, chromium):
    address, asked = elsewhere
    page = chromium.new_page()
    page.goto(address)  # the control: a page without our policy
    assert page.evaluate(INJECTED, address) == {"ran": [1, 2, 3], "asked": True}
    asked.clear()
    go(page, shared_server)
    assert page.evaluate(INJECTED, address) == {"ran": [], "asked": False}
    assert asked == []
    page.close()
