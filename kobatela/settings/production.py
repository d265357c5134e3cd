"""Production: only tightens what base.py says."""

from kobatela.settings.base import *
