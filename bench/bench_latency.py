"""Glass to glass: the time is drawn into the frames, encoded, pushed, played in a real Chromium and read back there.

`python -m bench.bench_latency [--seconds 20] [--players web/node_modules]`

FLV is played by mpegts.js, LL-HLS by hls.js, both from the folder of installed npm packages. The delay contains
drawing, x264 (zerolatency), the server, the player's buffer, decoding and painting. Also: `play()` to first frame.
"""

import argparse
import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bench.measure import ROOT, Server, onetake, percentile, table
from playwright.async_api import Page, async_playwright
from tests.engine.peers import FFMPEG9

WIDTH, HEIGHT, FPS = 320, 192, 30
BITS, BLOCK = 32, 10
LIBRARIES = {"hls": "hls.js/dist/hls.min.js", "flv": "mpegts.js/dist/mpegts.js"}
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
WATCH = (
    """
([kind, url]) => new Promise((resolve, reject) => {
  const video = document.querySelector("video"), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  window.delays = []; window.problems = [];
  const began = performance.now();
  const read = () => {
    const shown = Date.now();
    context.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const row = context.getImageData(0, HEIGHT / 2, WIDTH, 1).data;
    let value = 0;
    for (let bit = 0; bit < BITS; bit += 1) value = value * 2 + (row[(bit * BLOCK + BLOCK / 2) * 4] > 127 ? 1 : 0);
    window.delays.push((shown - value) & 0x7fffffff);
    if (window.delays.length === 1) resolve(performance.now() - began);
    video.requestVideoFrameCallback(read);
  };
  video.requestVideoFrameCallback(read);
  if (kind === "hls") {
    const player = new Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.1 });
    player.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) window.problems.push(data.details); });
    player.loadSource(url); player.attachMedia(video);
  } else {
    const config = { enableStashBuffer: false, liveBufferLatencyChasing: true, liveBufferLatencyMaxLatency: 0.8,
      liveBufferLatencyMinRemain: 0.2 };
    const player = mpegts.createPlayer({ type: "flv", isLive: true, url }, config);
    player.on(mpegts.Events.ERROR, (type, detail) => window.problems.push(detail));
    player.attachMediaElement(video); player.load();
  }
  video.play().catch(() => {});
  setTimeout(() => reject(new Error("no frame: " + window.problems)), 15000);
})
""".replace("WIDTH", str(WIDTH))
    .replace("HEIGHT", str(HEIGHT))
    .replace("BITS", str(BITS))
    .replace("BLOCK", str(BLOCK))
)


class Camera(threading.Thread):
    """Draws the time as 32 black or white blocks, 30 times a second, and lets ffmpeg encode and push it."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        size = ("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "pipe:0")
        sound = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono")
        codec = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", str(2 * FPS))
        rest = ("-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k", "-flush_packets", "1", "-f", "flv", url)
        self.encoder = subprocess.Popen(
            [FFMPEG9, "-hide_banner", "-loglevel", "error", *size, *sound, *codec, *rest], stdin=subprocess.PIPE
        )
        self.stopping = False

    def run(self) -> None:
        """Frame after frame at its time."""
        assert self.encoder.stdin
        began, number = time.monotonic(), 0
        while not self.stopping:
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))
            stamp = int(time.time() * 1000) & 0x7FFFFFFF
            row = b"".join((b"\xff" if stamp >> (BITS - 1 - bit) & 1 else b"\0") * BLOCK for bit in range(BITS))
            try:
                self.encoder.stdin.write(row * HEIGHT)
                self.encoder.stdin.flush()
            except BrokenPipeError:
                return
            number += 1

    def stop(self) -> None:
        """End drawing and encoding."""
        self.stopping = True
        self.join()
        self.encoder.kill()
        self.encoder.wait()


async def watch(page: Page, server: Server, kind: str, url: str, library: Path, seconds: float) -> dict[str, Any]:
    """Play for a while; delays (after the first third, when the player has settled) and the time to the first frame."""
    await page.goto(server.http("/healthz"))
    await page.set_content("<video muted playsinline width=320 height=192></video>")
    await page.add_script_tag(path=str(library))
    first_ms = await page.evaluate(WATCH, [kind, url])
    await asyncio.sleep(seconds)
    delays: list[float] = await page.evaluate("window.delays")
    problems: list[str] = await page.evaluate("window.problems")
    return {"first_ms": first_ms, "delays": delays[len(delays) // 3 :], "problems": problems}


async def measure(server: Server, players: Path, seconds: float) -> list[tuple[str, ...]]:
    """Both ways of playing, one after the other."""
    rows: list[tuple[str, ...]] = [("protocol, player", "p50", "p95", "first frame", "frames read", "fatal errors")]
    urls = {"flv": server.http("/live/cam.flv"), "hls": server.http("/live/cam/index.m3u8")}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM_FLAGS))
        for kind, name in (("flv", "HTTP-FLV, mpegts.js"), ("hls", "LL-HLS, hls.js")):
            page = await browser.new_page()
            seen = await watch(page, server, kind, urls[kind], players / LIBRARIES[kind], seconds)
            await page.close()
            delays = seen["delays"]
            rows.append(
                (
                    name,
                    f"{percentile(delays, 0.5) / 1000:.2f} s",
                    f"{percentile(delays, 0.95) / 1000:.2f} s",
                    f"{seen['first_ms'] / 1000:.2f} s",
                    str(len(delays)),
                    str(len(seen["problems"])),
                )
            )
        await browser.close()
    return rows


def main() -> int:
    """Start everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--players", type=Path, default=ROOT / "web" / "node_modules")
    options = parser.parse_args()
    missing = [name for name in LIBRARIES.values() if not (options.players / name).is_file()]
    if missing:
        print(f"missing in {options.players}: {', '.join(missing)} (npm install hls.js mpegts.js)", file=sys.stderr)
        return 2
    with onetake("--role", "live") as server:
        camera = Camera(server.rtmp("cam"))
        camera.start()
        try:
            time.sleep(5)
            rows = asyncio.run(measure(server, options.players, options.seconds))
        finally:
            camera.stop()
    table("Glass to glass on loopback, Chromium", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
