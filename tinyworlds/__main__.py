"""``python -m tinyworlds``: the same as the ``tinyworlds`` command."""

import sys

from tinyworlds.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
