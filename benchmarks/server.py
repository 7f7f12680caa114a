"""Fifty clients of the server at once, against one, and its memory over many requests.

    python benchmarks/server.py [--requests 10000]

Prints the time of a single request, the 95th percentile of fifty at once as a multiple of it, and the server's memory after
every tenth of the requests. The clip is one of the tests' fixtures.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
CLIP = next((ROOT / "tests" / "fixtures" / "LibriSpeech").rglob("*.mp3"))
CLIENTS = 50


def find_free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until_healthy(address: str, process: subprocess.Popen) -> float:
    """Return the seconds until the server answers."""
    begin = time.monotonic()
    while True:
        try:
            httpx.get(f"{address}/health").raise_for_status()
            return time.monotonic() - begin
        except httpx.TransportError:
            if process.poll() is not None:
                raise SystemExit(f"the server ended with status {process.returncode}") from None
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--recipe", default="wav2letter_small")
    arguments = parser.parse_args()
    port = find_free_port()
    address, content = f"http://127.0.0.1:{port}", CLIP.read_bytes()
    command = [sys.executable, "-m", "kerasrecipes", "serve", arguments.recipe, "--port", str(port), "--engine", "onnxruntime"]
    process = subprocess.Popen(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    try:
        print(f"ready after {wait_until_healthy(address, process):.1f} s")
        client = httpx.Client(timeout=120, limits=httpx.Limits(max_connections=CLIENTS))

        def ask(_: int) -> float:
            begin = time.monotonic()
            client.post(f"{address}/v1/audio/transcriptions", files={"file": (CLIP.name, content)}).raise_for_status()
            return time.monotonic() - begin

        first, single = ask(0), np.median([ask(i) for i in range(20)])
        with ThreadPoolExecutor(CLIENTS) as pool:
            together = np.array([np.percentile(list(pool.map(ask, range(CLIENTS))), 95) for _ in range(5)])
        print(f"first request {first / single:.2f} times a single one, which takes {1000 * single:.0f} ms")
        ratios = together / single
        print(f"{CLIENTS} at once: 95th percentile {np.median(ratios):.1f} times a single one ({ratios.min():.1f} to {ratios.max():.1f})")
        server = psutil.Process(process.pid)
        memory, tenth = [server.memory_info().rss / 1e6], max(arguments.requests // 10, 1)
        with ThreadPoolExecutor(8) as pool:
            for _ in range(10):
                list(pool.map(ask, range(tenth)))
                memory.append(server.memory_info().rss / 1e6)
        sizes = " ".join(f"{size:.0f}" for size in memory)
        print(f"memory over {10 * tenth} requests: {sizes} MB, {memory[-1] / memory[1]:.2f} times that after the first tenth")
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    main()
