"""`python -m backfill`."""

import sys

from backfill.cli import main
from backfill.loading import own_first

own_first(sys.path[0])  # the folder of the moment, which Python searches first
sys.exit(main())
