"""Downloads checkpoints from the Hugging Face hub into its cache.

The hub's client deletes a file when its download is interrupted, and a checkpoint is often one file of several
gigabytes. Weights are therefore downloaded here, into files that are kept. Complete files are moved to the client's
cache, where other programs find them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeGuard

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)  # fmt: skip
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from .family import ExportError

WANTED = ["*.safetensors", "*.json", "*.txt", "LICENSE*", "README.md"]
SHA256_DIGITS = 64  # large files are named by their SHA-256, small ones by a shorter hash


def download(name: str, revision: str | None) -> tuple[Path, str]:
    """Downloads a checkpoint. Files in the cache are not downloaded again; without a network, only the cache is used.

    :param name: repository, owner/name
    :param revision: branch, tag or commit
    :return: folder and commit of the checkpoint
    :raises ExportError: with a message that describes how to fix the problem
    """
    try:
        return _download(name, revision)
    except GatedRepoError as error:
        raise ExportError(
            f"{name}: this account has not accepted its licence. Accept it on {constants.ENDPOINT}/{name}, "
            "log in with `hf auth login` (or set HF_TOKEN), and run the command again."
        ) from error
    except RevisionNotFoundError as error:
        raise ExportError(f"{name}: there is no revision {revision!r}.") from error
    except RepositoryNotFoundError as error:
        raise ExportError(
            f"{name}: no such repository on the hub, or one that this account cannot see; log in with `hf auth login`."
        ) from error
    except HFValidationError as error:
        raise ExportError(f"{name}: not the name of a repository: {first_line(error)}") from error
    except LocalEntryNotFoundError as error:
        raise ExportError(f"{name}: the hub cannot be reached, and no complete copy of it is in the cache.") from error
    # An interruption in the middle of a file raises HTTPError, which is not an OSError in this client.
    except (OSError, HTTPError) as error:
        if is_refusal(error):
            message = error.response.headers.get("X-Error-Message") or first_line(error)
            raise ExportError(f"{name}: the hub refused the request ({error.response.status_code}): {message}") from error
        raise ExportError(f"{name}: the download was interrupted; run the same command to resume it: {first_line(error)}") from error


def _download(name: str, revision: str | None) -> tuple[Path, str]:
    try:
        info = HfApi().model_info(name, revision=revision)
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except (HTTPError, OfflineModeIsEnabled) as error:
        if is_refusal(error):
            raise
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=WANTED, local_files_only=True))
        print(f"{name}: the hub cannot be reached; using the copy in the cache, {folder.name}", flush=True)
        return folder, folder.name
    assert info.sha is not None
    for file in info.siblings or []:
        if file.rfilename.endswith(".safetensors"):
            fetch_weights(name, info.sha, file.rfilename)
    # Uses the given revision name, so that the cache can resolve it without a network.
    folder = Path(snapshot_download(name, revision=revision, allow_patterns=WANTED))
    return folder, folder.name


def fetch_weights(name: str, commit: str, file: str) -> None:
    """Downloads a file to the cache, and resumes an interrupted download.

    :raises HTTPError: if the connection breaks; received bytes are kept
    :raises ExportError: if the file differs from the hub's hash
    """
    if isinstance(try_to_load_from_cache(name, file, revision=commit), str):
        return
    url = hf_hub_url(name, file, revision=commit)
    described = get_hf_file_metadata(url)
    if described.etag is None or described.size is None:
        return  # a mirror without size and hash: the client downloads the file in one go
    repository = repo_folder_name(repo_id=name, repo_type="model")
    blobs, locks = Path(constants.HF_HUB_CACHE, repository, "blobs"), Path(constants.HF_HUB_CACHE, ".locks", repository)
    for folder in (blobs, locks):
        folder.mkdir(parents=True, exist_ok=True)
    partial, complete = blobs / f"{described.etag}.partial", blobs / described.etag
    with WeakFileLock(locks / f"{described.etag}.partial.lock"):
        if complete.exists():
            return
        with partial.open("ab") as stream:
            if stream.tell() > described.size:
                stream.truncate(0)
            received = stream.seek(0, os.SEEK_END)
            suffix = f", {received / 1e6:.1f} MB already downloaded" if received else ""
            print(f"{name}: {file}, {described.size / 1e6:.1f} MB{suffix}", flush=True)
            http_get(
                url, stream, resume_size=received, headers=build_hf_headers(), expected_size=described.size,
                displayed_filename=file,
            )  # fmt: skip
        if len(described.etag) == SHA256_DIGITS and sha256(partial) != described.etag:
            partial.unlink()
            raise ExportError(f"{name}: the hash of {file} differs from the hub's; run the command again.")
        partial.rename(complete)


def is_refusal(error: Exception) -> TypeGuard[HfHubHTTPError]:
    """Whether the hub rejected the request, so that retrying is pointless."""
    return isinstance(error, HfHubHTTPError) and error.response.status_code < 500


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
