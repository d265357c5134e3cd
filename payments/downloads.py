"""The file of a batch as an answer, for the API and for the console."""

from django.http import HttpResponse

from payments.services.batch_files import BatchFile


def file_response(released: BatchFile) -> HttpResponse:
    """The file, to be saved and never shown in the browser."""
    response = HttpResponse(released.content, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{released.name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
