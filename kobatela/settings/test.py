"""Tests: embedded servers, a clean database, no broker where none is needed."""

from kobatela.settings.base import *
