"""A signature that only this user's referee can give: what a candidate wrote into a folder of ours is not taken for our own.

The key is a file that nobody else may read, made at its first use. A worker whose files are confined cannot read it; where they are not,
nothing that it could have written may be believed, signed or not.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_BYTES = 32
FILE = "signing.key"
SIGNATURE_LENGTH = 2 * hashlib.sha256().digest_size  # hexadecimal digits


def sign(data: bytes) -> str:
    """The signature of these bytes, in hexadecimal digits. Raises OSError where the key can be neither read nor made."""
    return hmac.new(_key(), data, hashlib.sha256).hexdigest()


def verifies(data: bytes, signature: str) -> bool:
    """Whether `sign` gave this signature to these bytes; never where there is no key."""
    try:
        return hmac.compare_digest(sign(data), signature)
    except (OSError, TypeError):
        return False


def key_folder() -> Path:
    """Where the key is: VERIFIER_CACHE, or the user's data folder."""
    chosen = os.environ.get("VERIFIER_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_data_path("backprop-verifier")


def _key() -> bytes:
    path = key_folder() / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    try:
        os.link(temporary, path)  # whoever comes second takes the first one's key
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_mode & 0o077 or status.st_uid != os.geteuid():
            raise OSError(f"{path} may be read by others")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise OSError(f"{path} is no key")
    return key
