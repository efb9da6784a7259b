"""Measurements side by side with peers. No part of CI: `make bench` installs the peers (Debian packages) and runs."""
