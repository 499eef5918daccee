"""OCSF itself: releases, columns, the parts of a staged finding, ATT&CK."""
