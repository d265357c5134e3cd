"""Development: embedded servers, secrets made at random under var/."""

from kobatela.settings.base import *
