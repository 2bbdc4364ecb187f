"""The browser's files in, the routes of pages and library out: `/client`, `/console` and `/assets/<version>/...`.

`/client/demo.json` has the readings of `emdr-stream demo`, and is `null` where no demo runs.

A versioned address never changes what it gives, so browsers may keep it for ever; the pages themselves are asked for
anew each time and name the files of the version that serves them. Nothing of any person is in here.
"""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from emdr_stream.browser.assets import CLIENT, Asset, page_at, read_assets
from emdr_stream.errors import ConfigurationError

PAGE_NAMES: Final = ("client", "console")

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a page of ours may load: its own files, and the service's sockets. No script or style within a page."""

_EVERYWHERE: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_PERMISSIONS: Final = {
    "client": "camera=(self), microphone=(), geolocation=(), display-capture=(), fullscreen=(self)",
    "console": "camera=(), microphone=(), geolocation=(), display-capture=(), fullscreen=(self)",
}
_PAGE: Final = {**_EVERYWHERE, "cache-control": "no-cache", "cross-origin-opener-policy": "same-origin"}
_FOR_EVER: Final = {**_EVERYWHERE, "cache-control": "public, max-age=31536000, immutable"}
_ANY_ORIGIN: Final = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_OUR_ORIGIN: Final = {"cross-origin-resource-policy": "same-origin"}
_FRESH: Final = {**_EVERYWHERE, "cache-control": "no-store"}


def page_routes(
    version: str, assets: dict[str, Asset] | None = None, *, demo_readings: Path | None = None
) -> list[Route]:
    """Routes without authentication: whoever opens a page needs a token to see anything in it.

    Raises ConfigurationError when there is no such file of readings.
    """
    demo = _read_demo(demo_readings)
    files = read_assets() if assets is None else assets
    pages = {name: page_at(files, name, f"assets/{version}") for name in PAGE_NAMES}

    async def page(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        found = pages.get(name)
        if found is None:
            return _nothing("this page is not part of this version of the service")
        return _given(request, found, {**_PAGE, "permissions-policy": _PERMISSIONS[name]})

    async def versioned(request: Request) -> Response:
        path = request.path_params["path"]
        found = files.get(path)
        if found is None:
            return _nothing(f"version {version} has no such file")
        shared = path.startswith(f"{CLIENT}/")
        return _given(request, found, {**_FOR_EVER, **(_ANY_ORIGIN if shared else _OUR_ORIGIN)})

    async def latest(request: Request) -> Response:
        path = request.path_params["path"]
        if f"{CLIENT}/{path}" not in files:
            return _nothing(f"version {version} has no such file")
        # Relative to `/assets/latest/client/...`, so that the prefix of a proxy stays.
        up = "../" * (path.count("/") + 2)
        return RedirectResponse(f"{up}{version}/{CLIENT}/{path}", 307, {**_EVERYWHERE, **_ANY_ORIGIN, **_REVALIDATE})

    async def played(request: Request) -> Response:
        return Response(demo, headers={**_FRESH, **_OUR_ORIGIN, "content-type": "application/json"})

    return [
        *(Route(f"/{name}", page) for name in PAGE_NAMES),
        Route("/client/demo.json", played),
        Route(f"/assets/{version}/{{path:path}}", versioned),
        Route(f"/assets/latest/{CLIENT}/{{path:path}}", latest),
    ]


def _read_demo(path: Path | None) -> bytes:
    if path is None:
        return b"null"
    try:
        return path.read_bytes()
    except OSError as problem:
        why = f"EMDR_DEMO_READINGS: {path} cannot be read ({problem.strerror}): `emdr-stream demo` sets it by itself"
        raise ConfigurationError(why) from None


_REVALIDATE: Final = {"cache-control": "no-cache"}


def _given(request: Request, found: Asset, headers: dict[str, str]) -> Response:
    """The file, or 304 for who has it already."""
    told = {**headers, "etag": found.tag}
    if _has(request.headers.get("if-none-match", ""), found.tag):
        return Response(status_code=304, headers=told)
    return Response(found.body, headers={**told, "content-type": found.kind})


def _has(if_none_match: str, tag: str) -> bool:
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in known or "*" in known


def _nothing(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 404, headers=_FRESH)
