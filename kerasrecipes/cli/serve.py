"""Command that starts the server: serve."""

import os

from kerasrecipes.cli import options
from kerasrecipes.cli.progress import print_status
from kerasrecipes.cli.sections import command, option
from kerasrecipes.errors import KerasRecipesError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEY_VARIABLE = "KERASRECIPES_API_KEY"


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
    try:
        import uvicorn
    except ImportError:
        raise KerasRecipesError('The server needs more packages: pip install "kerasrecipes[serve]"') from None
    from kerasrecipes.serving.app import make_app

    model = options.load_model(recipe, engine)
    app = make_app(model, max_bytes=round(max_megabytes * 1e6), max_seconds=max_seconds, api_key=api_key, **arguments)
    print_status(f"{model.name} is served at http://{host}:{port}/v1/audio/transcriptions, Ctrl-C ends")
    uvicorn.run(app, host=host, port=port, log_level="warning", ws_max_size=2_000_000)
