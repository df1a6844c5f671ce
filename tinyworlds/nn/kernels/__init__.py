"""Kernels of our own in C++, for the CPU; `loading` compiles them.

Each stands beside the Python that calls it. Whoever calls asks first whether there is one, and has a way
without.
"""
