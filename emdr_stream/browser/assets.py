"""The package's own files in, what a browser may be given of them out: bytes, kind and tag by relative address.

Everything is read at the start. A request only ever looks into this table, so no address leads out of the package.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
CLIENT: Final = "client"
"""The library; usable by pages of other origins."""
PAGES: Final = "pages"

_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""What a browser is told of a file by its ending; files of other kinds are not served."""
_RELATIVE: Final = re.compile(r"""(?P<before>\s(?:src|href)=["'])(?P<path>\.{1,2}/[^"']*)""")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `tag`: a strong entity tag, quoted."""

    body: bytes
    kind: str
    tag: str


def asset(body: bytes, kind: str) -> Asset:
    return Asset(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def read_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """Every servable file below `client/` and `pages/`, by its address: `client/index.js`."""
    found: dict[str, Asset] = {}
    for part in (CLIENT, PAGES):
        for path in sorted((folder / part).rglob("*")):
            kind = _KINDS.get(path.suffix)
            if kind is not None and path.is_file():
                found[path.relative_to(folder).as_posix()] = asset(path.read_bytes(), kind)
    return found


def page_at(assets: dict[str, Asset], name: str, prefix: str) -> Asset | None:
    """The page `pages/NAME/index.html` as it is given at `/NAME`, or None while there is none.

    Its files are named in it as they lie, `./page.js` or `../shared/theme.css`, in `src` and `href`: they are found
    under `prefix`, itself relative, so that the service may stand behind any path of a proxy.
    """
    source = assets.get(f"{PAGES}/{name}/index.html")
    if source is None:
        return None
    base = f"{prefix}/{PAGES}/{name}/"
    text = _RELATIVE.sub(lambda found: f"{found['before']}{base}{found['path']}", source.body.decode())
    return asset(text.encode(), source.kind)
