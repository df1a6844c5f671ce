"""What each latent action does, found by dreaming: names, keys, a sheet to look at, and how to change them.

One way: ``optical_flow`` -> ``effects`` -> ``effect_names`` -> ``proposal`` -> ``discovery`` -> ``sheet``,
``command``. ``dreams`` and ``occurrence`` supply the frames and the counts, ``world_keys`` changes the file.
"""
