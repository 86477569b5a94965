"""Weights from files: a user's checkpoint, and the downloads of the frameworks' own loaders."""

import contextlib
import os
import re
from collections import OrderedDict

from runner.errors import CheckpointError


def load_checkpoint(model, path):
    """Load a state_dict, or a {"state_dict": ...}, by name; auxiliary heads that the network no longer has are passed over."""
    import inspect

    import torch

    if not os.path.isfile(path):
        raise CheckpointError("%s: no such checkpoint" % path)
    options = {"map_location": "cpu"}
    if "weights_only" in inspect.signature(torch.load).parameters:
        options["weights_only"] = True  # a checkpoint is data: never run what it pickles
    try:
        state = torch.load(path, **options)
    except Exception as error:  # pickle, zip and torch each have their own
        raise CheckpointError("%s: no PyTorch checkpoint (%s)" % (path, str(error).splitlines()[0]))
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(hasattr(value, "shape") for value in state.values()):
        raise CheckpointError("%s: holds no state_dict" % path)
    state = {re.sub(r"^(module\.|_orig_mod\.)+", "", key): value for key, value in state.items()}
    wanted = model.state_dict()
    state = {key: value for key, value in state.items() if key in wanted or not re.match(r"(aux\d?|AuxLogits)\.", key)}
    for key, value in state.items():
        if key in wanted and wanted[key].shape != value.shape:
            raise CheckpointError("%s: %s is %s, the network has %s" % (path, key, list(value.shape), list(wanted[key].shape)))
    # versions of modules (MNASNet asks for its own); a dictionary that was rebuilt by key has lost them
    state = OrderedDict(state)
    state._metadata = getattr(wanted, "_metadata", None)
    result = model.load_state_dict(state, strict=False)
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise CheckpointError(
            "%s: doesn't fit: lacks %s, has unknown %s" % (path, missing[:3] or "nothing", result.unexpected_keys[:3] or "nothing")
        )


@contextlib.contextmanager
def checked_downloads():
    """Every download of PyTorch's loader is checked against the hash in its file's name, also where old loaders don't ask for it.

    The loader writes to a temporary file and renames it, so a download that breaks off leaves nothing behind.
    """
    from torch import hub

    original = hub.download_url_to_file

    def download(url, dst, hash_prefix=None, progress=True):
        if hash_prefix is None:
            hash_prefix = _hash_in(os.path.basename(dst))
        return original(url, dst, hash_prefix, progress=False)

    hub.download_url_to_file = download
    try:
        yield
    finally:
        hub.download_url_to_file = original


def drop_broken_download(url):
    """Delete the cached file of ``url`` if its content doesn't have the hash in its name, so that it is fetched again."""
    import hashlib

    from torch import hub

    path = os.path.join(hub.get_dir(), "checkpoints", os.path.basename(url))
    expected = _hash_in(os.path.basename(url))
    if not expected or not os.path.isfile(path):
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if not digest.hexdigest().startswith(expected):
        os.remove(path)


def _hash_in(filename):
    match = re.search(r"-([a-f0-9]{8,})\.", filename)
    return match.group(1) if match else None
