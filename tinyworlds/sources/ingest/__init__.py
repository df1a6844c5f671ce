"""Gameplay videos to one gameplay file: decode in order, cut bars, resample to a fixed rate, find scene cuts.

``command`` is what a person types, ``run`` the same from Python. A video is decoded by ``extract`` into
numbered pieces (``pieces``) that survive an interruption; ``assemble`` joins the pieces of all videos.
"""
