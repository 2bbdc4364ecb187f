"""What a browser is given: the right files, for as long as they hold, and nothing else of the machine."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emdr_stream.browser.assets import Asset, read_assets
from emdr_stream.endpoints.pages import CONTENT_SECURITY_POLICY, page_routes
from emdr_stream.errors import ConfigurationError

PAGE = b"""<!doctype html><link rel="stylesheet" href="../shared/theme.css">
<script type="module" src="./page.js"></script><a href="https://example.org/">x</a><a href="#top">y</a>"""
LIBRARY = b"export const one = 1;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, body in {
        "client/index.js": LIBRARY,
        "client/sources/camera.js": b"// camera",
        "client/index.d.ts": b"export {};",
        "client/notes.md": b"not for browsers",
        "pages/client/index.html": PAGE,
        "pages/client/page.js": b"// page",
        "pages/shared/theme.css": b":root {}",
        "assets.py": b"secret = 1",
    }.items():
        path = tmp_path / "browser" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    (tmp_path / "key.js").write_text("a secret beside the folder")
    return tmp_path / "browser"


def ask(folder: Path | dict[str, Asset], path: str, method: str = "GET", **headers: str) -> Any:
    assets = folder if isinstance(folder, dict) else read_assets(folder)
    client = TestClient(Starlette(routes=page_routes("9.9", assets)), follow_redirects=False)
    return client.request(method, path, headers=headers)


def test_the_library_is_given_for_ever_to_pages_of_any_origin(folder: Path) -> None:
    answer = ask(folder, "/assets/9.9/client/index.js")
    assert (answer.status_code, answer.content) == (200, LIBRARY)
    headers = answer.headers
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/assets/9.9/client/sources/camera.js", "text/javascript"),
        ("/assets/9.9/client/index.d.ts", "text/plain"),
        ("/assets/9.9/pages/shared/theme.css", "text/css"),
        ("/client", "text/html"),
    ],
)
def test_each_kind_of_file_is_named(folder: Path, path: str, kind: str) -> None:
    assert ask(folder, path).headers["content-type"].startswith(kind)


def test_a_page_is_asked_for_anew_and_names_the_files_of_its_version(folder: Path) -> None:
    answer = ask(folder, "/client")
    assert answer.headers["cache-control"] == "no-cache"
    assert 'href="assets/9.9/pages/client/../shared/theme.css"' in answer.text
    assert 'src="assets/9.9/pages/client/./page.js"' in answer.text
    assert 'href="https://example.org/"' in answer.text
    assert 'href="#top"' in answer.text


def test_a_page_may_load_its_own_files_and_nothing_else(folder: Path) -> None:
    headers = ask(folder, "/client").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in CONTENT_SECURITY_POLICY and "http" not in CONTENT_SECURITY_POLICY
    assert headers["permissions-policy"].startswith("camera=(self), microphone=()")
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


def test_only_the_clients_page_may_ask_for_the_camera(folder: Path) -> None:
    (folder / "pages" / "console").mkdir()
    (folder / "pages" / "console" / "index.html").write_bytes(PAGE)
    assert ask(folder, "/console").headers["permissions-policy"].startswith("camera=(), microphone=()")


def test_a_page_that_is_not_there_is_told_so(folder: Path) -> None:
    answer = ask(folder, "/console")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert "not part of this version" in answer.text


@pytest.mark.parametrize("path", ["/client", "/assets/9.9/client/index.js"])
def test_who_has_a_file_is_not_given_it_again(folder: Path, path: str) -> None:
    first = ask(folder, path)
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = ask(folder, path, **{"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert ask(folder, path, **{"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/assets/9.9/../key.js",
        "/assets/9.9/client/../../key.js",
        "/assets/9.9/client/%2e%2e/%2e%2e/key.js",
        "/assets/9.9/client/..%2f..%2fkey.js",
        "/assets/9.9//etc/passwd",
        "/assets/9.9/%2fetc%2fpasswd",
        "/assets/9.9/client/index.js%00.css",
        "/assets/9.9/assets.py",
        "/assets/9.9/client/notes.md",
        "/assets/9.9/client/",
        "/assets/9.9/client",
        "/assets/9.8/client/index.js",
        "/assets/latest/client/../pages/client/page.js",
        "/assets/latest/client/nothing.js",
    ],
)
def test_nothing_else_is_given(folder: Path, path: str) -> None:
    answer = ask(folder, path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_the_latest_library_is_found_without_knowing_the_version(folder: Path) -> None:
    for path in ("client/index.js", "client/sources/camera.js"):
        answer = ask(folder, f"/assets/latest/{path}")
        assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-cache")
        assert answer.headers["access-control-allow-origin"] == "*"
        client = TestClient(Starlette(routes=page_routes("9.9", read_assets(folder))))
        assert str(client.get(f"/assets/latest/{path}").url).endswith(f"/assets/9.9/{path}")


def test_the_readings_of_a_demo_are_given_and_none_where_no_demo_runs(folder: Path, tmp_path: Path) -> None:
    none = ask(folder, "/client/demo.json")
    assert (none.status_code, none.json(), none.headers["cache-control"]) == (200, None, "no-store")
    played = tmp_path / "readings.json"
    played.write_text('{"scenario": "calm", "samples": []}')
    client = TestClient(Starlette(routes=page_routes("9.9", read_assets(folder), demo_readings=played)))
    given = client.get("/client/demo.json")
    assert given.json()["scenario"] == "calm"
    assert given.headers["content-type"] == "application/json"
    assert given.headers["cross-origin-resource-policy"] == "same-origin"
    with pytest.raises(ConfigurationError, match=r"EMDR_DEMO_READINGS: .*gone.json cannot be read"):
        page_routes("9.9", read_assets(folder), demo_readings=tmp_path / "gone.json")


def test_files_are_only_given_and_never_taken(folder: Path) -> None:
    assert ask(folder, "/client", "HEAD").status_code == 200
    assert ask(folder, "/client", "HEAD").content == b""
    for method in ("POST", "PUT", "DELETE"):
        assert ask(folder, "/assets/9.9/client/index.js", method).status_code == 405


def test_every_file_of_the_real_package_is_given() -> None:
    assets = read_assets()
    for name in ("client/index.js", "client/timer_worker.js", "client/sources/camera_worker.js", "client/package.json"):
        assert ask(assets, f"/assets/9.9/{name}").status_code == 200


def test_no_page_holds_a_script_a_style_or_another_host() -> None:
    for name, asset in read_assets().items():
        text = asset.body.decode()
        if name.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text), name
        if name.startswith("pages/"):
            assert not re.search(r"""(?:src|href|url\(|import|fetch)[^\n]{0,20}["'(]\s*(?:https?:)?//""", text), name
