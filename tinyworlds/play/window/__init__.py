"""The play window: pygame on SDL, whole pixels, what is said beside the picture rather than on it.

SDL reads its settings when pygame is imported: no greeting, Ctrl-C stays Python's, sharp on scaled desktops.
"""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
os.environ.setdefault("SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR", "0")  # other windows keep their shadows
