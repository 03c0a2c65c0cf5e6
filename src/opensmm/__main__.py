"""``python -m opensmm`` is ``opensmm``."""

from opensmm.cli import main

main()
