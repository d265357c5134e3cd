"""The paths of users and keys."""

from django.urls import path

from kobatela.accounts.api.views import ApiKeyViewSet, UserViewSet

urlpatterns = [
    path("users", UserViewSet.as_view({"get": "list", "post": "create"}), name="user-list"),
    path(
        "users/<int:user_id>",
        UserViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="user-detail",
    ),
    path("apikeys", ApiKeyViewSet.as_view({"get": "list", "post": "create"}), name="apikey-list"),
    path(
        "apikeys/<int:key_id>",
        ApiKeyViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="apikey-detail",
    ),
    path(
        "apikeys/<int:key_id>/rotate",
        ApiKeyViewSet.as_view({"post": "rotate"}),
        name="apikey-rotate",
    ),
]
