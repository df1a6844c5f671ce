"""The folder of static files: a page for each world, a page to choose from where there are several."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2

from tinyworlds.nn.kernels.wasm import wasm_files
from tinyworlds.play.browser.server import FILES as SERVED
from tinyworlds.play.browser.server import FOLDER as SERVED_FROM
from tinyworlds.play.web.facts import WebWorld
from tinyworlds.system.files import replacing, storing

_OWN = Path(__file__).parent / "page"
_CODE = "page"  # the folder of what all worlds share
_PICTURE_PX = 256
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)

RESERVED = frozenset({_CODE})
"""Names that no world's folder can have."""


def write_site(folder: Path, worlds: Sequence[WebWorld]) -> int:
    """Write the page of one world, or of several; files of before are replaced.

    Args:
        folder: where it goes.
        worlds: with names unlike each other.

    Returns:
        How many bytes the folder's new files have.

    Raises:
        StorageError: it cannot be written there.
    """
    files = dict(_files(worlds))
    for name, data in files.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(data)
    for world in worlds:  # weights are named after what is in them: those of before are nobody's
        with storing(folder / world.name):
            for old in (folder / world.name).glob("weights-*.bin"):
                if f"{world.name}/{old.name}" not in files:
                    old.unlink()
    return sum(map(len, files.values()))


def _files(worlds: Sequence[WebWorld]) -> Iterator[tuple[str, bytes]]:
    """Name and contents of all files, those that name others last."""
    own = {path.name: path.read_bytes() for path in _OWN.iterdir()}
    served = {name: (SERVED_FROM / name).read_bytes() for name in SERVED}
    page = served.pop("index.html").decode()
    choice = own.pop("choice.html").decode()
    widths = {world.facts[part]["head_width"] for world in worlds for part in ("dynamics", "decoder")}
    choice_style = own.pop("choice.css")
    kernels = {file.name: file.read_bytes() for width in sorted(widths) for file in wasm_files(width)}
    for name, data in {**served, **own, **kernels}.items():
        yield f"{_CODE}/{name}", data
    for world in worlds:
        weights = f"weights-{hashlib.sha256(world.data).hexdigest()[:12]}.bin"
        yield f"{world.name}/{weights}", world.data
        yield f"{world.name}/world.json", json.dumps({"weights": weights, **world.facts}).encode()
    if len(worlds) == 1:
        yield "index.html", _play_page(page, worlds[0].title, f"{_CODE}/", f"{worlds[0].name}/").encode()
        return
    for world in worlds:
        yield f"{world.name}/start.png", _png(world)
        play = _play_page(page, world.title, f"../{_CODE}/", "./", worlds="../")
        yield f"{world.name}/index.html", play.encode()
    yield f"{_CODE}/choice.css", choice_style
    yield "index.html", _choice_page(choice, worlds).encode()


def _play_page(page: str, title: str, code: str, folder: str, worlds: str = "") -> str:
    """The page that the server has, with a policy of its own and addresses as they are from here.

    Args:
        page: as the server has it.
        title: of the page.
        code: where the scripts are.
        folder: where the world is.
        worlds: where others are chosen, if there are any.
    """
    others = f' data-worlds="{worlds}"' if worlds else ""
    changes = {
        '<html lang="en">': f'<html lang="en" data-world="{folder}"{others}>',
        '<meta charset="utf-8">': f'<meta charset="utf-8">\n  {_policy()}',
        "<title>TinyWorlds</title>": f"<title>{html.escape(title)}</title>",
        'href="icon.svg"': f'href="{code}icon.svg"',
        'href="style.css"': f'href="{code}style.css"',
        'src="main.js"': f'src="{code}main.js"',
    }
    for before, after in changes.items():
        assert page.count(before) == 1, before
        page = page.replace(before, after)
    return page


def _choice_page(page: str, worlds: Sequence[WebWorld]) -> str:
    rows = [
        f'<li><a href="{world.name}/"><img src="{world.name}/start.png" alt="">'
        f"<span>{html.escape(world.title.removeprefix('TinyWorlds ') or world.name)}</span></a></li>"
        for world in worlds
    ]
    return page.replace("<!-- policy -->", _policy()).replace("<!-- worlds -->", "\n      ".join(rows))


def _policy() -> str:
    return f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'


def _png(world: WebWorld) -> bytes:
    large = cv2.resize(world.picture, (_PICTURE_PX, _PICTURE_PX), interpolation=cv2.INTER_NEAREST)
    _, data = cv2.imencode(".png", cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
    return data.tobytes()
