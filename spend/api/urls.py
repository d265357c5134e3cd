"""The paths of controlled spending, gathered from each resource's own list."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
