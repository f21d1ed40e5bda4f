"""Sending a shipment to the Hub, so that it can be interrupted at any time and sent again."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

from videomem_hf import __version__
from videomem_hf.hub.shipments import Shipment
from videomem_hf.schema import InputError, short_message
from videomem_hf.system import quantity

_ADVICE: Final = {
    401: "the token is not accepted: `hf auth login`, or set HF_TOKEN to one from the settings of your account",
    402: "the account's plan does not allow this",
    403: "the token may not write there: take one with write permission; USER is you or an organisation of yours",
    404: "there is no such repository, or the token may not see it",
    429: "too many requests: wait a while, then give the same command again",
}


def send(shipment: Shipment) -> str:
    """Make the repository if it is not there, send what it lacks, and compare its list of files with the shipment.

    Interrupted and called again, it goes on: files that are in the repository, or whose content the Hub already has,
    are not sent twice.

    Returns:
        The repository's address.

    Raises:
        InputError: No token, no network, no permission; the repository is public and this is to be private; or the
            files there are not those that were sent.
    """
    token = get_token()
    if token is None:
        raise InputError(f"no token for {constants.ENDPOINT}: run `hf auth login`, or set HF_TOKEN; nothing was sent")
    api = HfApi(token=token, library_name="videomem_hf", library_version=__version__)
    with _clear_errors(api.endpoint), _repository_folder(shipment) as folder:
        api.whoami()
        address = api.create_repo(
            shipment.repo,
            private=not shipment.public,
            repo_type=shipment.repo_type,
            exist_ok=True,
            space_sdk="gradio" if shipment.repo_type == "space" else None,
        )
        _check_visibility(api, shipment)
        api.upload_folder(
            repo_id=shipment.repo,
            repo_type=shipment.repo_type,
            folder_path=folder,
            commit_message=f"Push with videomem_hf {__version__}",
            delete_patterns=list(shipment.removes) or None,
        )
        _check_arrival(api, shipment)
    return str(address)


def _check_visibility(api: HfApi, shipment: Shipment) -> None:
    """See that nothing private gets into a repository that was public before."""
    if not shipment.public and not api.repo_info(shipment.repo, repo_type=shipment.repo_type).private:
        raise InputError(
            f"{shipment.repo}: is there and is public, and this is to be private; make it private in its settings, or "
            "give another name" + ("" if shipment.repo_type == "dataset" else ", or --public")
        )


def _check_arrival(api: HfApi, shipment: Shipment) -> None:
    """See that every file is in the repository, at its size."""
    entries = api.list_repo_tree(shipment.repo, recursive=True, repo_type=shipment.repo_type)
    there = {entry.path: getattr(entry, "size", None) for entry in entries}
    if wrong := [name for name, size in shipment.sizes.items() if there.get(name) != size]:
        count = quantity(len(wrong), "file")
        raise InputError(f"{shipment.repo}: {count} did not arrive (first: {wrong[0]}); give the same command again")


@contextmanager
def _repository_folder(shipment: Shipment) -> Iterator[Path]:
    """A folder that looks as the repository shall: links to the files, and what is made for the Hub."""
    with tempfile.TemporaryDirectory(prefix="videomem-push-") as name:
        folder = Path(name)
        for path, source in shipment.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                target.write_bytes(source)
            else:
                target.symlink_to(source.resolve())
        yield folder


@contextmanager
def _clear_errors(endpoint: str) -> Iterator[None]:
    """Turn what the Hub and the network refuse into one sentence with the next step."""
    try:
        yield
    except InputError:
        raise
    except OfflineModeIsEnabled:
        raise InputError("HF_HUB_OFFLINE is set, which forbids every connection; unset it to push") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = error.server_message or short_message(error)
        raise InputError(f"{endpoint} refuses ({status}, {said}): {_ADVICE.get(status, 'see its message')}") from error
    except ValueError as error:  # of a card whose header the Hub does not take
        raise InputError(f"{endpoint} refuses: {' '.join(str(error).split())}") from error
    except (HTTPError, ConnectionError, TimeoutError) as error:
        raise InputError(
            f"{endpoint} cannot be reached ({short_message(error)}); see whether there is a network and "
            "HF_ENDPOINT is right, then give the same command again: it goes on where it was"
        ) from error
