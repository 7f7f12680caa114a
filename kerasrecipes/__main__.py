"""`python -m kerasrecipes` is the command line."""

import sys

from kerasrecipes.cli import main

sys.exit(main())
