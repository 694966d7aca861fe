"""Store files in a cloud store with the vendor's own library, and print what that took, as JSON.

``python -m benchmarks.cloud_peers LIBRARY URL BUCKET PREFIX STREAMS FILE...`` runs in
the environment of the other tools, which holds nothing of sendit (``requirements/peers.txt``).
One stream: nothing is done at the same time; several are what boto3 does by itself.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.measure import peak_bytes


def main() -> int:
    """Store the files as the command line says."""
    library, url, bucket, prefix, streams, *files = sys.argv[1:]
    make = {"boto3": boto3, "google-cloud-storage": google}[library]
    put = make(url, bucket, streams=int(streams))
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for file in files:
        put(file, f"{prefix}/{Path(file).name}")
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_bytes": peak_bytes()}))
    return 0


def boto3(url: str, bucket: str, *, streams: int) -> Callable[[str, str], object]:
    """Amazon's library, with its usual checksum; the keys are in the environment."""
    config = import_module("botocore.config").Config(s3={"addressing_style": "path"})
    client = import_module("boto3").client("s3", endpoint_url=url, config=config)
    how = import_module("boto3.s3.transfer").TransferConfig(use_threads=streams > 1)
    return lambda file, key: client.upload_file(file, bucket, key, Config=how)


def google(url: str, bucket: str, *, streams: int) -> Callable[[str, str], object]:
    """Google's library, which compares the CRC32C; one stream is all that it does by itself."""
    assert streams == 1
    storage = import_module("google.cloud.storage")
    nobody = import_module("google.auth.credentials").AnonymousCredentials()
    client = storage.Client("test", credentials=nobody, client_options={"api_endpoint": url})

    def put(file: str, key: str) -> None:
        blob = client.bucket(bucket).blob(key)
        blob.upload_from_filename(file, if_generation_match=0, checksum="crc32c")

    return put


if __name__ == "__main__":
    sys.exit(main())
