"""`python -m kerasrecipes` is the command line."""

import sys

from kerasrecipes.cli.main import main

sys.exit(main())
