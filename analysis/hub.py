"""The Hugging Face hub: what it, or the way to it, refuses becomes one line that says what to do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class HubError(ValueError):
    """Something on the hub that cannot be had; the message says why and what to do."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raises HubError, beginning with `what`, for any error of the hub inside."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise HubError(f"{what}: gated: accept its terms on huggingface.co, then log in with `hf auth login`") from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(f"{what}: not on the hub, or private: check the name, or log in with `hf auth login`") from error
    except errors.RevisionNotFoundError as error:
        raise HubError(f"{what}: the hub has no such revision; give a commit, tag or branch after '@', or none") from error
    except errors.RemoteEntryNotFoundError as error:
        raise HubError(f"{what}: the hub has no such file in this repository") from error
    except (errors.LocalEntryNotFoundError, errors.RevisionResolutionError, errors.OfflineModeIsEnabled) as error:
        raise HubError(f"{what}: the hub cannot be reached and the files are not on this machine; {_offline(error)}") from error
    except errors.HfHubHTTPError as error:
        raise HubError(f"{what}: the hub answered {error.response.status_code}; try again later") from error
    except errors.HFValidationError as error:
        raise HubError(f"{what}: {str(error).splitlines()[0]}") from error
    except errors.HTTPError as error:  # of the connection
        raise HubError(f"{what}: the hub cannot be reached ({type(error).__name__}); check the network") from error


def _offline(error: Exception) -> str:
    from huggingface_hub import constants, errors

    while error is not None:  # a gated repository on the way to a file that is not cached is said as such
        if isinstance(error, errors.OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
            return "HF_HUB_OFFLINE is set: unset it, or give a local folder"
        error = error.__cause__
    return "check the network, or give a local folder"


def check_space(what: str, n_bytes: int) -> None:
    """Raises HubError if a download of so many bytes would fill the disk of the hub's cache."""
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if n_bytes > free:
        raise HubError(
            f"{what}: a download of {n_bytes / 1e9:.1f} GB, but {constants.HF_HUB_CACHE} has {free / 1e9:.1f} GB of free disk; "
            "make room, or set HF_HOME to a larger disk"
        )
