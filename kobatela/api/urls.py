"""Paths of the installation itself."""

from django.urls import path

from kobatela.api import docs

urlpatterns = [
    path("openapi.json", docs.openapi),
    path("docs", docs.docs),
    path("redoc", docs.redoc),
]
