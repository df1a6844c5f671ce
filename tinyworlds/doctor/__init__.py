"""``tinyworlds doctor``: is this machine, its data and its runs fit for use, and if not, what to do.

A check is a generator of findings about one topic. Topics are looked at in processes of their own
(:mod:`tinyworlds.doctor.runner`), so that nothing a library does, not even a crash, ends the whole.
"""
