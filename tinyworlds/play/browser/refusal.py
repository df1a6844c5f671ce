"""What is answered where there is nothing to show: what was asked, why not, and where the game is."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from aiohttp import hdrs, web
from yarl import URL

from tinyworlds.system.text import visible

_STYLE = """
:root { color-scheme: dark; font: 17px/1.5 system-ui, sans-serif; background: #0d0f14; color: #e6e9f0; }
body { max-width: 36rem; margin: 15vh auto; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; }
code { overflow-wrap: anywhere; color: #ffc94d; }
a { display: inline-block; padding: .6rem 1.2rem; border-radius: .4rem; background: #ffc94d; color: #171a22; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_LONGEST = 100  # characters of what was asked


def refuse(request: web.Request, status: int, title: str, why: str, way: str | None = None) -> web.Response:
    """Return a page for a person, or plain text for a program, that says why there is nothing.

    Args:
        request: what was asked.
        status: of the answer, 404 for example.
        title: a few words.
        why: what was found, and what to do.
        way: where the game is, seen from the address that was asked for; None where that is not to be told.
    """
    asked = visible(request.path)
    asked = asked if len(asked) <= _LONGEST else f"{asked[:_LONGEST]}…"
    if "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
        there = "" if way is None else f" The game is at {request.url.join(URL(way)).with_query(None)}"
        return web.Response(status=status, text=f"{title}: {asked}\n{why}{there}\n")
    link = "" if way is None else f'<p><a href="{escape(way)}">Play the game</a></p>'
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{escape(title)}</h1><p>You asked for <code>{escape(asked)}</code>.</p><p>{escape(why)}</p>"
        f"{link}</main></body></html>\n"
    )
    headers = {"Content-Security-Policy": _POLICY}
    return web.Response(status=status, text=page, content_type="text/html", headers=headers)
