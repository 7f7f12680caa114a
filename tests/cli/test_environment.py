"""Settings of the environment as people have them: other spellings, proxies, home folders, a deleted working directory."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_server import row

from kerasrecipes import _lazy
from kerasrecipes.cli import doctor
from kerasrecipes.cli.main import main
from kerasrecipes.engines import onnx_cache
from kerasrecipes.errors import BackendUnavailable, KerasRecipesError, WeightsUnavailable
from kerasrecipes.hub import download, weights
from kerasrecipes.utils.environment import cache_folder, user_folder


@pytest.mark.parametrize("spelling", ["TensorFlow", "TENSORFLOW", "tensorflow"])
def test_the_backend_s_name_in_any_case(monkeypatch, spelling):
    monkeypatch.setenv("KERAS_BACKEND", spelling)
    assert _lazy.choose_backend() == "tensorflow" == os.environ["KERAS_BACKEND"]


@pytest.mark.parametrize("spelling", ["pytorch", "theano", "tensorflow-cpu"])
def test_a_backend_that_keras_lacks(monkeypatch, spelling):
    monkeypatch.setenv("KERAS_BACKEND", spelling)
    with pytest.raises(
        BackendUnavailable, match=f"KERAS_BACKEND is '{spelling}': set it to one of tensorflow, jax, torch"
    ):
        _lazy.choose_backend()


@pytest.mark.parametrize("proxy", [
    "socks5://127.0.0.1:9", "socks5h://127.0.0.1:9", "socks://127.0.0.1:9", "ftp://127.0.0.1:9", "http://127.0.0.1:port", "http://[::1",
])  # fmt: skip
def test_proxies_that_cannot_be_used(place, monkeypatch, proxy):
    import huggingface_hub

    huggingface_hub.close_session()  # a session keeps the proxies that it was opened with
    if proxy.startswith("socks5"):
        monkeypatch.setitem(sys.modules, "socksio", None)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(WeightsUnavailable, match="check the proxy in ALL_PROXY"):
        weights.weights_path(row())


@pytest.mark.parametrize("address", ["huggingface.co", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port"])
def test_addresses_of_a_hub_that_are_none(place, monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(WeightsUnavailable, match="HF_ENDPOINT is '.*': set it to an address such as https://huggingface.co"):
        weights.weights_path(row())
    ((_, ok, text),) = doctor.check_hub()
    assert not ok and "HF_ENDPOINT" in text


def test_a_token_that_no_header_can_hold(place, loopback, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "t\u00f6ken")
    with pytest.raises(WeightsUnavailable, match="unset HF_TOKEN"):
        weights.weights_path(row())


@pytest.mark.parametrize(("status", "message"), [
    (401, "hf auth login"), (403, "HF_TOKEN"), (500, "try again later"), (429, "try again later"), (404, "check HF_ENDPOINT"),
    (407, "and the proxy"), (410, "or update kerasrecipes"),
])  # fmt: skip
def test_a_login_that_the_hub_refuses(status, message):
    from huggingface_hub import errors, get_session

    request = get_session().build_request("GET", "http://127.0.0.1:9/file")
    response = type("Response", (), {"status_code": status, "headers": {}, "request": request})()
    with pytest.raises(WeightsUnavailable, match=message), download.translate_errors("org/name", "0" * 40, "file"):
        raise errors.HfHubHTTPError(f"{status} Client Error", response=response)


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, folder in (
        ("HF_HUB_CACHE", download.cache_folder),
        ("KERASRECIPES_CACHE", lambda: onnx_cache.cache_folder().parent),
    ):
        monkeypatch.setenv(name, "~/x")
        assert folder() == tmp_path / "x"
        monkeypatch.delenv(name)
        assert tmp_path in folder().parents or "HF" in name
    monkeypatch.setenv("HF_HUB_CACHE", "~/x")
    ((_, ok, text),) = doctor.check_cache()
    assert ok and text == f"{tmp_path / 'x'} is writable"
    monkeypatch.setenv("XDG_CACHE_HOME", "~/cache")
    assert onnx_cache.cache_folder() == tmp_path / "cache" / "kerasrecipes" / "onnx"


def test_a_user_without_a_home_folder(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    for variable in ("HF_HUB_CACHE", "KERASRECIPES_CACHE"):
        monkeypatch.setenv(variable, "~/x")
        with pytest.raises(KerasRecipesError, match=f"set {variable} to a folder"):
            user_folder(variable, "~/y")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems find their cache folders without HOME")
@pytest.mark.parametrize("cache", [None, "/tmp", "x"])
def test_the_cache_of_a_user_whom_the_system_does_not_know(monkeypatch, cache):
    """As in a container that runs under a number: no HOME, and no entry in /etc/passwd."""
    import pwd

    def find_nobody(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", find_nobody)
    for name in ("HOME", "KERASRECIPES_CACHE", "XDG_CACHE_HOME", "HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    if cache:
        monkeypatch.setenv("KERASRECIPES_CACHE", cache)
        assert cache_folder() == Path(cache)
    else:
        with pytest.raises(KerasRecipesError, match="set KERASRECIPES_CACHE to a folder, or HOME"):
            cache_folder()
    assert [name for check in (doctor.check_cache, doctor.check_engines) for name, _, _ in check()] == ["cache", "engine"]


@pytest.mark.parametrize(
    "backend", ["module://no_such_package.backend_inline", "module://", "inline", "widget", "nonsense", "agg", ""]
)
def test_the_plot_backend_of_a_notebook(monkeypatch, capsys, backend):
    """matplotlib refuses backends that it does not know as it is imported. The command needs none, a notebook keeps its own."""
    monkeypatch.setenv("MPLBACKEND", backend)
    assert main(["list", "wav2letter*"]) == 0 and os.environ["MPLBACKEND"] == backend
    monkeypatch.setattr(sys, "argv", ["kerasrecipes", "list", "wav2letter*"])
    assert main() == 0 and "MPLBACKEND" not in os.environ


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a working directory")
@pytest.mark.parametrize("words", [["list"], ["transcribe", "talk.wav", "--decoder", "greedy"], ["classify", "x.png"]])
def test_a_deleted_working_directory(tmp_path, words):
    folder = tmp_path / "deleted"
    folder.mkdir()
    code = "import os, shutil, sys; shutil.rmtree(os.getcwd()); from kerasrecipes.cli.main import main; sys.exit(main(sys.argv[1:]))"
    result = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True)
    assert "Traceback" not in result.stderr and result.returncode == (words != ["list"])
    assert (
        words == ["list"]
        or "talk.wav" in result.stderr
        or "x.png" in result.stderr
        or "working directory" in result.stderr
    )


def test_the_doctor_names_what_reads_files_from_elsewhere():
    ((name, ok, text),) = doctor.check_readers()
    assert name == "readers" and ok and all(f"{library} " in text for library in ("pillow", "h5py", "onnxruntime", "jpg"))


def test_the_doctor_does_not_wait_for_a_hub_without_end(loopback, monkeypatch):
    def send_headers_slowly(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Never-Ends: ")
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.02)

    monkeypatch.setattr(doctor, "HUB_SECONDS", 0.1)
    monkeypatch.setattr(loopback, "download", send_headers_slowly)
    for name in ("KERASRECIPES_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    start = time.monotonic()
    assert list(doctor.check_hub()) == [("hub", False, "cannot be reached (TimeoutError); bundled and cached weights work")]
    assert time.monotonic() - start < 1
