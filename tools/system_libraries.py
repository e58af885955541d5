"""Check that Qt and a virtual screen can run here, and install what is missing if allowed.

The widget tests open real windows on Xvfb with Mesa's software OpenGL. Those are system
packages that pip cannot bring. On Debian and its relatives, as root or with a sudo that asks
for no password, the missing ones are installed; elsewhere the one line to type is printed.
Only the standard library is used: this runs before anything else.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""Libraries that PyQt6 and its xcb platform plugin load, and the Debian package of each."""


def main() -> int:
    """0 when everything is there (now); 1 with the line to type when it is not."""
    if not sys.platform.startswith("linux"):
        return 0
    packages = missing_packages()
    if not packages:
        return 0
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        return _ask(f"install with this system's package manager: {_names(packages)}")
    line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    prefix = _unattended_prefix()
    if prefix is None:
        return _ask("type: sudo sh -c '" + line + "'")
    print(f"system packages for Qt and Xvfb are missing; running: {line}", flush=True)
    _run([*prefix, apt_get, "update"])
    _run([*prefix, apt_get, "install", "-y", "--no-install-recommends", *packages])
    still = missing_packages()
    if still:
        return _ask(f"apt-get did not bring {' '.join(still)}; type: sudo sh -c '{line}'")
    return 0


def missing_packages() -> list[str]:
    """Debian packages of what this machine lacks, sorted."""
    absent = {package for name, package in LIBRARIES.items() if not _loads(name)}
    checks: dict[str, Callable[[], bool]] = {
        "xvfb": lambda: shutil.which("Xvfb") is not None,
        "libgl1-mesa-dri": _has_software_gl,
    }
    absent |= {package for package, holds in checks.items() if not holds()}
    return sorted(absent)


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _has_software_gl() -> bool:
    roots = [Path("/usr/lib64"), Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu*")]
    patterns = ("dri/swrast_dri.so", "dri/libdril_dri.so", "libgallium*.so")
    return any(next(root.glob(pattern), None) for root in roots for pattern in patterns)


def _unattended_prefix() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n", "DEBIAN_FRONTEND=noninteractive"]
    return None


def _run(command: list[str]) -> None:
    subprocess.run(command, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _names(packages: list[str]) -> str:
    files = {package: name for name, package in LIBRARIES.items()}
    return ", ".join(files.get(package, package) for package in packages)


def _ask(line: str) -> int:
    print(f"the tests need system libraries for Qt and Xvfb; {line}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
