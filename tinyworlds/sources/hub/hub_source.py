"""A repository on the Hugging Face hub, through `huggingface_hub`: its listing, addresses, login and session.

Reading is ours: version 2.4 of that library throws an interrupted file away and begins again; ours resumes.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tinyworlds.errors import ConfigError, DataError, MissingFileError, TinyWorldsError
from tinyworlds.sources.hub.checksum import is_checksum
from tinyworlds.sources.hub.listing import Listing, PublishedFile

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT_S = 10.0  # to connect, and for each piece of an answer
_WAITS_S = (1.0, 2.0, 4.0)  # between attempts that bring nothing


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
        self.repo, self.repo_type, self.revision = repo, repo_type, revision
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its warnings repeat our errors

    def listing(self) -> Listing:
        """Ask the hub what there is; from then on the commit it names is read.

        Raises:
            HubError: it cannot be reached within seconds, or does not answer as a hub does.
            MissingFileError: there is no such repository or revision, or a login is needed.
            ConfigError: the name cannot be one of a repository.
        """
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
            files = tuple(_published(sibling) for sibling in info.siblings or ())
            if _COMMIT.fullmatch(str(info.sha)) is None:
                raise ValueError("it names no commit")
            self.revision = str(info.sha)
        except (HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._explained(error) from error
        return Listing(self.repo, self.revision, files)

    def with_checksum(self, file: PublishedFile) -> PublishedFile:
        """Return `file` if its checksum was published.

        Raises:
            DataError: it was not, so the file could not be verified.
        """
        if file.checksum is None or not is_checksum(file.checksum):
            raise DataError(f"{self.repo} names no checksum for {file.name!a}; it is not fetched")
        return file

    def read(self, file: PublishedFile, start: int) -> Iterator[bytes]:
        """Yield the content from byte `start` on; a connection that breaks is taken up again.

        Raises:
            HubError: several attempts in a row brought nothing.
            MissingFileError: the file is not there any more, or a login is needed.
        """
        from huggingface_hub.errors import HTTPError

        waits = list(_WAITS_S)
        while start < file.size:
            try:
                for block in self._attempt(file.name, start):
                    start += len(block)
                    waits = list(_WAITS_S)
                    yield block
                if start < file.size:
                    raise ConnectionError("the answer ended too early")
            except (HTTPError, ConnectionError) as error:
                if not waits or not _may_pass(error):
                    raise self._explained(error) from error
                time.sleep(waits.pop(0))

    def _attempt(self, name: str, start: int) -> Iterator[bytes]:
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        url = hf_hub_url(self.repo, name, repo_type=self.repo_type, revision=self.revision)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity", "Range": f"bytes={start}-"}
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as response:
            hf_raise_for_status(response)
            unwanted = start if response.status_code == 200 else 0  # a server that knows no ranges sends all
            for block in response.iter_bytes():  # as it comes: a connection that breaks loses nothing
                wanted = block[unwanted:]
                unwanted = max(unwanted - len(block), 0)
                if wanted:
                    yield wanted

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
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = getattr(getattr(error, "response", None), "status_code", None)
    return not isinstance(error, OfflineModeIsEnabled) and (status is None or status == 429 or status >= 500)


def _reason(error: Exception) -> str:
    text = str(error).partition("For more information")[0]  # which is a page about status codes
    words = " ".join(text.split())[:200]
    return "".join(sign for sign in words if sign.isprintable()) or type(error).__name__
