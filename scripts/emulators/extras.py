"""Optional packages of the emulators (the extra `local`): is one here, and if not, why not."""

import importlib


def why_missing(module: str, package: str) -> str | None:
    """Return None when `module` imports, else one sentence for the person who wants it.

    A wheel can be installed and still not load (an older C library, another processor).
    """
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        return f"{package} cannot be used ({error}); it comes with: pip install '.[local]'"
    return None
