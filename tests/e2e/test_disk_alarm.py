"""The disk alarm: a data folder on a small disk that is nearly full, and what operators see of it on every page."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e.browsing import ADMIN_PASSWORD, Site, axe_violations, go
from tests.running import server_env, serving

MOUNT = 'mount -t tmpfs -o size=100m none "$0" && head -c 88m /dev/zero > "$0/ballast" && exec "$@"'


def test_a_nearly_full_disk_is_said_on_every_page_of_the_administration(
    built_ui: None, open_site: Callable[..., Site], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(data)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk of his own")
    env = server_env(data, ONETAKE_ADMIN_PASSWORD=ADMIN_PASSWORD)
    serve = [sys.executable, "-P", "-m", "onetake", "serve"]
    with serving(env, command=["unshare", "-rm", "sh", "-c", MOUNT, str(data), *serve]) as server:
        server.wait_until_ready()
        page = open_site(f"http://127.0.0.1:{server.port}").sign_in()
        for path in ("/admin/sources", "/admin/users"):
            go(page, path)
            expect(page.locator("[data-test=alarms]")).to_contain_text("% of")
        assert axe_violations(page) == []
        page.locator("[data-test=alarms] a").first.click()
        expect(page.locator("h1")).to_have_text("System")
        expect(page.locator("[data-test=warnings]")).to_contain_text(f"of {data} is free")
        expect(page.locator("[data-test=alarms] a")).to_have_count(0)
