"""`python -m hubbub`: the same as the `hubbub` command."""

import sys

from hubbub.cli import main

sys.exit(main())
