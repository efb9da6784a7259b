"""``python -m weighbridge``: the same as the `weighbridge` command."""

import sys

from weighbridge.cli import main

sys.exit(main())
