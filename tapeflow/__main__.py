"""`python -m tapeflow ...`: the command `tapeflow`."""

import sys

from tapeflow.flows.cli.main import main

sys.exit(main())
