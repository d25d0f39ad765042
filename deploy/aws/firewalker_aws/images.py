"""Pictures of users in S3 behind CloudFront, the bucket of access logs, and the registry of container images."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from firewalker_aws.plan import Sizes
from firewalker_aws.removal import kept


@dataclass(frozen=True)
class Storage:
    """Buckets, CDN and registry."""

    logs: s3.Bucket
    images: s3.Bucket
    cdn: cloudfront.Distribution
    registry: ecr.Repository


def make_storage(stack: Stack, sizes: Sizes, key: kms.Key, web_url: str) -> Storage:
    """Make all of it."""
    logs = s3.Bucket(
        stack,
        "Logs",
        encryption=s3.BucketEncryption.S3_MANAGED,  # balancers cannot write to a bucket with a key of ours
        enforce_ssl=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,  # CloudFront writes with an ACL
        lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(sizes.log_days))],
        # Balancers write to it when they are made, and CloudFormation cannot delete a bucket with something in it.
        removal_policy=RemovalPolicy.RETAIN,
    )
    images = s3.Bucket(
        stack,
        "Images",
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        versioned=True,
        server_access_logs_bucket=logs,
        server_access_logs_prefix="images/",
        cors=[s3.CorsRule(allowed_methods=[s3.HttpMethods.PUT], allowed_origins=[web_url], allowed_headers=["*"])],
        lifecycle_rules=[
            s3.LifecycleRule(prefix="uploads/", expiration=Duration.days(1)),
            s3.LifecycleRule(
                noncurrent_version_expiration=Duration.days(min(sizes.backup_days, 30)),
                abort_incomplete_multipart_upload_after=Duration.days(1),
            ),
        ],
        removal_policy=kept(sizes),
    )
    cdn = cloudfront.Distribution(
        stack,
        "Cdn",
        comment="Firewalker: pictures of users",
        minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        http_version=cloudfront.HttpVersion.HTTP2_AND_3,
        log_bucket=logs,
        log_file_prefix="cdn/",
        default_behavior=cloudfront.BehaviorOptions(
            # The path keeps what was uploaded and not yet looked at out of reach.
            origin=origins.S3BucketOrigin.with_origin_access_control(images, origin_path="/avatars"),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
            response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
        ),
    )
    registry = ecr.Repository(
        stack,
        "Registry",
        repository_name=f"firewalker-{sizes.name}",
        image_scan_on_push=True,
        image_tag_mutability=ecr.TagMutability.IMMUTABLE,  # a tag that rolled back would otherwise be a guess
        encryption=ecr.RepositoryEncryption.KMS,
        encryption_key=key,
        lifecycle_rules=[ecr.LifecycleRule(max_image_count=30)],
        removal_policy=kept(sizes),
    )
    return Storage(logs, images, cdn, registry)
