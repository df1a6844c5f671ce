"""A repository on the Hugging Face hub: `huggingface_hub` lists it, logs in, and reads on in a file.

Its `hf_hub_download` is not enough: in version 2.4 each attempt has a file of its own, so what was killed
begins again at byte 0, and sizes are compared, not checksums. So the part file and its check are ours (see
`fetch`), and the library's `http_get` goes on with that part: ranges, breaks, rate limits.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from tinyworlds.errors import ConfigError, DataError, MissingFileError, TinyWorldsError
from tinyworlds.sources.hub.checksum import is_checksum
from tinyworlds.sources.hub.listing import Listing, PublishedFile

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT_S = 10.0  # to connect for a listing, and for each piece of it
_WAITS_S = (1.0, 2.0, 4.0)  # between attempts that bring nothing; the library makes several of each


class HubError(TinyWorldsError, ConnectionError):
    """The hub cannot be reached, or does not answer as a hub does."""


class HubSource:
    """Files of one repository at one revision.

    Args:
        repo: "OWNER/NAME".
        repo_type: "dataset" or "model".
        revision: branch, tag or commit.
    """

    def __init__(self, repo: str, repo_type: str, revision: str = "main") -> None:
        from huggingface_hub.utils import disable_progress_bars, logging

        self.repo, self.repo_type, self.revision = repo, repo_type, revision
        logging.set_verbosity_error()  # its warnings repeat our errors
        disable_progress_bars()  # ours goes on where the last attempt stopped, and shows verifying, too

    def listing(self) -> Listing:
        """Ask the hub what there is; from then on the commit it names is read."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HTTPError

        try:
            info = HfApi().repo_info(
                self.repo,
                repo_type=self.repo_type,
                revision=self.revision,
                timeout=TIMEOUT_S,
                files_metadata=True,
            )
            files = tuple(map(_published, getattr(info, "siblings", None) or ()))
            if _COMMIT.fullmatch(str(info.sha)) is None:
                raise ValueError("it names no commit")
            self.revision = str(info.sha)
        except (HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._explained(error) from error
        return Listing(self.repo, self.revision, files)

    def with_checksum(self, file: PublishedFile) -> PublishedFile:
        """Return `file`; without a published checksum it could not be verified, and is refused."""
        if file.checksum is None or not is_checksum(file.checksum):
            raise DataError(f"{self.repo} names no checksum for {file.name!a}; it is not fetched")
        return file

    def append_rest(self, file: PublishedFile, part: BinaryIO) -> None:
        """Write what is missing of the file to the end of `part`; breaks and busy servers are waited out."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.errors import HTTPError
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(self.repo, file.name, repo_type=self.repo_type, revision=self.revision)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        waits = list(_WAITS_S)
        while True:
            start = part.tell()
            try:
                return http_get(url, part, resume_size=start, headers=headers, expected_size=file.size)
            except (HTTPError, ConnectionError) as error:
                waits = list(_WAITS_S) if part.tell() > start else waits
                if not waits or not _may_pass(error):
                    raise self._explained(error) from error
                time.sleep(waits.pop(0))
            except OSError as error:
                if error.errno is not None:  # of the disk
                    raise
                return  # another size than was published, as the checksum will tell

    def _explained(self, error: Exception) -> TinyWorldsError:
        from huggingface_hub import constants, errors

        if isinstance(error, errors.HFValidationError):
            return ConfigError(f"'{self.repo}' is no name of a repository; write --repo OWNER/NAME")
        if isinstance(error, errors.RevisionNotFoundError):
            return MissingFileError(f"{self.repo} has no revision '{self.revision}'; leave --revision out")
        if isinstance(error, errors.RepositoryNotFoundError | errors.GatedRepoError):
            return MissingFileError(
                f"there is no {self.repo_type} repository {self.repo}, or it needs a login: check the name, "
                "or log in with 'hf auth login'"
            )
        host = urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT
        return HubError(
            f"{self.repo} could not be read from {host} ({_reason(error)}): check the network, then run the "
            "same command again, it goes on where it was; or give a copy of the repository with "
            "--source FOLDER"
        )


def _published(sibling: RepoSibling) -> PublishedFile:
    size = sibling.size
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"no size of {sibling.rfilename!a}")
    checksum = None
    if sibling.lfs is not None:
        checksum = f"sha256:{sibling.lfs.sha256}"
    elif sibling.blob_id:
        checksum = f"git-sha1:{sibling.blob_id}"
    return PublishedFile(str(sibling.rfilename), size, checksum)


def _may_pass(error: Exception) -> bool:
    """Whether to try again: not after an answer such as "not found", but after trouble on the way."""
    response = getattr(error, "response", None)
    return response is None or response.status_code >= 500


def _reason(error: Exception) -> str:
    text = str(error).partition("For more information")[0]  # which is a page about status codes
    words = " ".join(text.split())[:200]
    return "".join(sign for sign in words if sign.isprintable()) or type(error).__name__
