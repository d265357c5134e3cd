"""The paths of uploads."""

from django.urls import path

from kobatela.uploads.api.views import FileViewSet

urlpatterns = [path("files/proofs", FileViewSet.as_view({"post": "create"}), name="file-list")]
