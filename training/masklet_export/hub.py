"""Checkpoints of the Hugging Face hub, by way of its cache.

The hub's client throws a file away when its download breaks off, and a checkpoint is often one file of several gigabytes.
So weights are fetched here, into files that stay; complete ones are handed to the client's cache, where others find them.
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
SHA256_DIGITS = 64  # large files are named by their hash, small ones by a shorter one of another kind


def download(name: str, revision: str | None) -> tuple[Path, str]:
    """name: of a repository, owner/name. revision: branch, tag or commit. → folder and commit of the checkpoint

    What is in the cache is not fetched again; without a network, the cache is all there is.

    @raises ExportError in one sentence that says what to do."""
    try:
        return _download(name, revision)
    except GatedRepoError as error:
        raise ExportError(
            f"{name}: its licence has not been accepted for this account. Accept it on {constants.ENDPOINT}/{name}, "
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
    # What breaks off in the middle of a file is an HTTPError, which in this client is no OSError.
    except (OSError, HTTPError) as error:
        if is_refusal(error):
            said = error.response.headers.get("X-Error-Message") or first_line(error)
            raise ExportError(f"{name}: the hub refuses ({error.response.status_code}): {said}") from error
        raise ExportError(
            f"{name}: the download broke off and goes on where it stopped with the same command: {first_line(error)}"
        ) from error


def _download(name: str, revision: str | None) -> tuple[Path, str]:
    try:
        found = HfApi().model_info(name, revision=revision)
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except (HTTPError, OfflineModeIsEnabled) as error:
        if is_refusal(error):
            raise
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=WANTED, local_files_only=True))
        print(f"{name}: the hub cannot be reached; using the copy in the cache, {folder.name}", flush=True)
        return folder, folder.name
    assert found.sha is not None
    for file in found.siblings or []:
        if file.rfilename.endswith(".safetensors"):
            fetch_weights(name, found.sha, file.rfilename)
    # Asked by the name that was given, so that the cache knows what it stands for when there is no network.
    folder = Path(snapshot_download(name, revision=revision, allow_patterns=WANTED))
    return folder, folder.name


def fetch_weights(name: str, commit: str, file: str) -> None:
    """Puts a file into the cache, from the byte on at which an earlier try broke off.

    @raises HTTPError when the connection breaks; what has come stays
    @raises ExportError when what has come is not what the hub announced."""
    if isinstance(try_to_load_from_cache(name, file, revision=commit), str):
        return
    url = hf_hub_url(name, file, revision=commit)
    described = get_hf_file_metadata(url)
    if described.etag is None or described.size is None:
        return  # a mirror that names neither: the client fetches the file in one go
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
            have = stream.seek(0, os.SEEK_END)
            already = f", {have / 1e6:.1f} MB of them already here" if have else ""
            print(f"{name}: {file}, {described.size / 1e6:.1f} MB{already}", flush=True)
            http_get(
                url, stream, resume_size=have, headers=build_hf_headers(), expected_size=described.size,
                displayed_filename=file,
            )  # fmt: skip
        if len(described.etag) == SHA256_DIGITS and sha256(partial) != described.etag:
            partial.unlink()
            raise ExportError(f"{name}: {file} did not arrive as the hub has it (its hash differs); run the command again.")
        partial.rename(complete)


def is_refusal(error: Exception) -> TypeGuard[HfHubHTTPError]:
    """Whether the hub answered that it will not, which trying again does not change."""
    return isinstance(error, HfHubHTTPError) and error.response.status_code < 500


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
