"""Headless Chromium, Debian's, for tests of the status page and for its pictures."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--lang=en",
)
MISSING = "Chromium is not there: install Debian's packages chromium and chromium-driver"


@contextmanager
def browser(width: int = 1280, height: int = 1000, *, dark: bool = False) -> Iterator[Chrome]:
    """Yield a browser of its own, with an empty profile, in the light scheme or the dark one."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert binary is not None and driver is not None, MISSING
    with tempfile.TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        running = Chrome(options, Service(driver))
        try:
            set_scheme(running, dark=dark)
            set_size(running, width, height)
            yield running
        finally:
            running.quit()


def set_scheme(running: Chrome, *, dark: bool) -> None:
    """Prefer the dark or light scheme, like a system setting."""
    value = "dark" if dark else "light"
    features = [{"name": "prefers-color-scheme", "value": value}]
    running.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def set_size(running: Chrome, width: int, height: int) -> None:
    """Set the page's size, whatever the window's frame."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    running.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def picture(running: Chrome, path: Path) -> None:
    """Write the complete page, not just its visible part, as PNG."""
    size = running.execute_script(
        "return [document.documentElement.clientWidth, document.documentElement.scrollHeight]"
    )
    set_size(running, *size)
    path.parent.mkdir(parents=True, exist_ok=True)
    running.save_screenshot(str(path))


def complaints(running: Chrome) -> list[str]:
    """Return the errors and warnings of the browser's console since the last call."""
    return [entry["message"] for entry in running.get_log("browser")]
