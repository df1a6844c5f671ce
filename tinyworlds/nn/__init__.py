"""Building blocks of the networks: attention, feed-forward, norms, positions, quantisation, patches.

Nothing here knows of games, files or training. One shape legend holds for the project: B batch, T frames,
P patches, E embedding, L latent dim, A action latent dim, C channels, H W pixels, S patch size, K codes.
"""
