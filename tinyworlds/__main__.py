"""``python -m tinyworlds``: the same as the ``tinyworlds`` command."""

import sys

from tinyworlds.commands.cli import process_main

if __name__ == "__main__":
    sys.exit(process_main())
