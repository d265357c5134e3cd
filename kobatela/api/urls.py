"""Paths of the installation itself."""

from django.urls import path

from kobatela.api import docs
from kobatela.api.health.views import HealthViewSet
from kobatela.api.metrics.views import MetricsViewSet

urlpatterns = [
    path("health", HealthViewSet.as_view({"get": "show"})),
    path("health/live", HealthViewSet.as_view({"get": "live"})),
    path("health/ready", HealthViewSet.as_view({"get": "ready"})),
    path("metrics", MetricsViewSet.as_view({"get": "show"})),
    path("openapi.json", docs.openapi),
    path("docs", docs.docs),
    path("redoc", docs.redoc),
]
