"""Pictures in an S3 bucket, behind a CDN. Uploads go there straight from the client, by a presigned link (SigV4)."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from firewalker.user.domain.avatar import UPLOAD_TIME, Avatar, AvatarId
from firewalker.user.domain.avatar_faults import PicturesUnavailable
from firewalker.user.usecases.ports import Place

R = TypeVar("R")

CONNECT_S = 2.0
ANSWER_S = 5.0

_MISSING = {"404", "NoSuchKey", "NotFound"}


class PictureBucket:
    """Uploads are below ``uploads/``, which nobody but this service may read; pictures below ``avatars/``, which the CDN serves.

    Beside reading, writing and deleting objects of both, it has to be allowed ``s3:ListBucket``: to who may not list, S3 says of
    an upload that is not there that access is denied, and nobody could tell it from a storage that does not work.
    """

    def __init__(self, bucket: str, url: str, *, endpoint: str | None = None, region: str | None = None) -> None:
        """*url* is the CDN's link of ``avatars/``. Credentials are found as AWS's tools find them: role, environment, files."""
        self._bucket = bucket
        self._url = url
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            config=Config(
                signature_version="s3v4",
                connect_timeout=CONNECT_S,
                read_timeout=ANSWER_S,
                retries={"total_max_attempts": 2},
            ),
        )

    async def place(self, avatar: Avatar) -> Place:
        """A link for putting the upload; type and size are signed with it."""
        wanted = {
            "Bucket": self._bucket,
            "Key": _upload(avatar.avatar_id),
            "ContentType": avatar.content_type,
            "ContentLength": avatar.size_bytes,
        }
        url = await self._ask(
            lambda: self._s3.generate_presigned_url(
                "put_object", Params=wanted, ExpiresIn=int(UPLOAD_TIME.total_seconds())
            )
        )
        return Place(url, {"content-type": avatar.content_type})

    async def uploaded(self, avatar: Avatar) -> bytes | None:
        """What was put there, if it is of the size that was promised."""

        def read() -> bytes | None:
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=_upload(avatar.avatar_id))
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                raise
            if found["ContentLength"] != avatar.size_bytes:
                return None
            content: bytes = found["Body"].read()
            return content

        return await self._ask(read)

    async def forget_upload(self, avatar_id: AvatarId) -> None:
        """Remove what was put there, if anything was."""
        await self._ask(lambda: self._s3.delete_object(Bucket=self._bucket, Key=_upload(avatar_id)))

    async def show(self, name: str, content: bytes) -> None:
        """Let the CDN serve a picture, WebP."""
        await self._ask(
            lambda: self._s3.put_object(
                Bucket=self._bucket,
                Key=f"avatars/{name}",
                Body=content,
                ContentType="image/webp",
                CacheControl="public, max-age=3600",
            )
        )

    async def hide(self, name: str) -> None:
        """Remove a picture, if it is there. A CDN may keep it for the hour that it was told."""
        await self._ask(lambda: self._s3.delete_object(Bucket=self._bucket, Key=f"avatars/{name}"))

    def url_of(self, name: str) -> str:
        """The link of a picture that is shown."""
        return f"{self._url}/{name}"

    async def _ask(self, call: Callable[[], R]) -> R:
        """Run *call*, which waits, on a thread."""
        try:
            return await asyncio.to_thread(call)
        except (ClientError, BotoCoreError) as error:
            raise PicturesUnavailable from error


def _upload(avatar_id: AvatarId) -> str:
    return f"uploads/{avatar_id.hex}"
