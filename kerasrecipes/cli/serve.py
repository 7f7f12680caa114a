"""Commands that start a server: serve and look."""

import contextlib
import os
import threading
import time
import webbrowser
from typing import Any

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import print_status
from kerasrecipes.cli.sections import argument, command, option
from kerasrecipes.errors import KerasRecipesError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEY_VARIABLE = "KERASRECIPES_API_KEY"
MISSING = 'The server needs more packages: pip install "kerasrecipes[serve]"'


@command("serve", model="option")
@options.recipe(options.DEFAULT_SPEECH_RECIPE)
@options.engine
@options.decoding
@option("--host", default="127.0.0.1", help="Address to listen on. 0.0.0.0 serves other machines too.")
@option("--port", type=int, default=8000, help="Port to listen on.")
@option("--max-megabytes", type=float, default=25.0, help="Largest file.")
@option("--max-seconds", type=float, default=600.0, help="Longest recording and stream.")
def run_serve(recipe, engine, decoding, host, port, max_megabytes, max_seconds) -> None:
    """Transcribe over HTTP, as OpenAI's clients call it. Ctrl-C ends."""
    options.check_task(recipe, ("speech-recognition",), "cannot be served")
    arguments = options.transcribe_arguments(decoding)
    api_key = os.environ.get(KEY_VARIABLE)
    if host not in LOOPBACK and not api_key:
        print_status(f"anybody who reaches {host} can use this server: set {KEY_VARIABLE} to ask for a key")
    uvicorn = import_uvicorn()
    from kerasrecipes.serving.app import make_app

    model = options.load_model(recipe, engine)
    app = make_app(model, max_bytes=round(max_megabytes * 1e6), max_seconds=max_seconds, api_key=api_key, **arguments)
    print_status(f"{model.name} is served at http://{host}:{port}/v1/audio/transcriptions, Ctrl-C ends")
    uvicorn.run(app, host=host, port=port, log_level="warning", ws_max_size=2_000_000)


def import_uvicorn() -> Any:
    """Return the module that runs servers.

    Raises:
        KerasRecipesError: It is not installed.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ImportError:
        raise KerasRecipesError(MISSING) from None
    return uvicorn


@command("look", model="argument")
@argument("name", help="Name of a recipe, a training folder, a .keras file of any Keras model, or an .onnx file.")
@option(
    "--images", "--files", "folder", metavar="FOLDER",
    help="Your images, or recordings for a speech recognizer (default: camera and microphone alone).",
)  # fmt: skip
@option("--port", type=int, default=8010, help="Port of the page. 0 takes a free one.")
@option("--host", default="127.0.0.1", help="Address to listen on. Others than 127.0.0.1 let other machines look, too.")
@option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@option(
    "--value-range", type=float, nargs=2, default=(0.0, 255.0), metavar="LOW HIGH",
    help="Black and white in the input of a model that is no recipe, for instance 0 1.",
)  # fmt: skip
def run_look(name, folder, port, host, browser, value_range) -> None:
    """Look inside a network with your camera, microphone or files, on a page of this machine. Ctrl-C ends."""
    options.check_model_name(name)
    if folder:
        options.check_files([folder])
    uvicorn = import_uvicorn()
    if not name.endswith(".onnx"):
        options.start_backend()
    from kerasrecipes.serving.look_app import LOOPBACK_NAMES, make_look_app
    from kerasrecipes.serving.look_start import bind_socket, make_state

    with bind_socket(host, port) as socket:
        address = f"http://{host}:{socket.getsockname()[1]}/"
        state = make_state(name, folder, value_range, print_status)
        app = make_look_app(state, LOOPBACK_NAMES if host in LOOPBACK else ("*",))
        if host not in LOOPBACK:
            print_status(f"anybody who reaches {host} can look at your files")
        print_status(f"look inside {state.inspector.name} at {address}, Ctrl-C ends")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        if browser:
            threading.Thread(target=open_when_started, args=(server, address), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[socket])
        print_status("ended")


def open_when_started(server: Any, address: str) -> None:
    """Open an address in the browser once the server answers."""
    while not server.started and not server.should_exit:
        time.sleep(0.1)
    if server.started:
        webbrowser.open(address)
