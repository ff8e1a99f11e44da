"""A headless browser for tests; without one they are skipped."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-dev-shm-usage",
    "disable-background-networking",
    "allow-file-access-from-files",
    "autoplay-policy=no-user-gesture-required",
)


@contextmanager
def browser(*more_flags):
    """Chromium, closed at the end."""
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver on this machine")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, *more_flags):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
