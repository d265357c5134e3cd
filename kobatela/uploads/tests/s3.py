"""A server that speaks S3, on this machine, and a bucket of it for each test that asks."""

import atexit
import logging
import uuid
from functools import cache
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types
import pytest
from moto.server import ThreadedMotoServer
from pytest_django.fixtures import Settings

KEY_ID, SECRET_KEY, REGION = "testing", "testing-secret", "eu-west-3"


class Bucket:
    """A bucket, seen from its server."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.name = f"evidence-{uuid.uuid4().hex}"
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET_KEY,
        )
        self._client.create_bucket(
            Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def names(self, prefix: str = "") -> list[str]:
        """What lies in it."""
        listed = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [found["Key"] for found in listed.get("Contents", ())]

    def head(self, name: str) -> dict[str, Any]:
        """What the server says of one of its objects."""
        answer: dict[str, Any] = self._client.head_object(Bucket=self.name, Key=name)
        return answer


def use_bucket(settings: Settings, endpoint: str, name: str) -> None:
    """Keep files there from now on, for one test."""
    settings.STORAGES = settings.STORAGES | {
        "evidence": {
            "BACKEND": "kobatela.uploads.private_bucket.PrivateBucket",
            "OPTIONS": {
                "bucket_name": name,
                "endpoint_url": endpoint,
                "region_name": REGION,
                "access_key": KEY_ID,
                "secret_key": SECRET_KEY,
            },
        }
    }


def use_dead_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep files where nobody answers, from now on, for one test."""
    # The pause between tries says nothing about us.
    monkeypatch.setattr("kobatela.uploads.private_bucket.ATTEMPTS", 1)
    use_bucket(settings, "http://127.0.0.1:9", "nowhere")


@pytest.fixture
def bucket(settings: Settings) -> Bucket:
    """An empty bucket of a local server, in which this test's files are kept."""
    made = Bucket(_endpoint())
    use_bucket(settings, made.endpoint, made.name)
    return made


@cache
def _endpoint() -> str:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"
