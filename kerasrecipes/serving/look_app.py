"""The server of `kerasrecipes look`: the page's files, and an inspector's values as arrays and JSON."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from kerasrecipes.errors import KerasRecipesError
from kerasrecipes.serving.body_limit import BodyLimit
from kerasrecipes.serving.inspection import Inspection
from kerasrecipes.serving.replies import make_error

try:
    from fastapi import FastAPI, Query, Request, Response
    from fastapi.responses import FileResponse, JSONResponse
    from fastapi.staticfiles import StaticFiles
    from starlette.middleware.trustedhost import TrustedHostMiddleware
except ImportError:
    raise KerasRecipesError('The page needs more packages: pip install "kerasrecipes[serve]"') from None

MAX_BYTES = 50_000_000
MAX_INSPECTIONS = 4  # inputs whose activations stay in memory
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]", "testserver")
PAGE = "look_local.html"
NO_CACHE = {"cache-control": "no-cache"}  # another version of the package may be served at the same port


class LookState:
    """State of the server: the model, the last inputs, and what runs in the background.

    Args:
        inspector: Inspector of the model.
        files: Paths of the reader's images or recordings.
        scan: `ScanJob` over these files, or None.
        synthesis: `SynthesisJobs`, or None.
    """

    def __init__(self, inspector: Any, files: list[str], scan: Any = None, synthesis: Any = None):
        self.inspector, self.files, self.scan, self.synthesis = inspector, files, scan, synthesis
        self.inspections: OrderedDict[int, Inspection] = OrderedDict()
        self.last_number = 0
        self.lock = threading.Lock()  # one computation at a time; others wait
        self.errors: list[str] = []

    def inspect(self, source: Any, **options: Any) -> dict[str, Any]:
        """Compute an input, keep it under a new number, and return what the page shows of it."""
        with self.lock:
            inspection = self.inspector.inspect(source, **options)
            self.last_number += 1
            self.inspections[self.last_number] = inspection
            while len(self.inspections) > MAX_INSPECTIONS:
                self.inspections.popitem(last=False)
            number = self.last_number
        return {
            "number": number, "milliseconds": inspection.milliseconds, "display": list(inspection.display.shape),
            "shapes": {name: list(values.shape) for name, values in inspection.activations.items()},
            "probabilities": np.round(inspection.probabilities.astype("float64"), 7).tolist(), **inspection.facts,
        }  # fmt: skip

    def get_inspection(self, number: int) -> Inspection:
        """Return a kept input.

        Raises:
            KerasRecipesError: It is no longer kept.
        """
        inspection = self.inspections.get(number)
        if inspection is None:
            raise KerasRecipesError("This input is no longer kept: choose it again")
        return inspection

    def describe(self) -> dict[str, Any]:
        """Return the model and the reader's files, for the page."""
        inspector = self.inspector
        return {
            "name": inspector.name, "kind": inspector.kind, "engine": inspector.engine, "layers": inspector.layers,
            "classes": inspector.labels, "methods": inspector.methods, "files": [Path(f).name for f in self.files],
            "has_folder": bool(self.files), "can_synthesize": self.synthesis is not None,
            "sample_rate": getattr(inspector, "sample_rate", None),
        }  # fmt: skip

    def describe_jobs(self) -> dict[str, Any]:
        """Return what runs in the background."""
        return {
            "scan": self.scan and self.scan.describe(), "synthesis": self.synthesis and self.synthesis.describe(),
            "errors": self.errors,
        }  # fmt: skip


def send_array(values: np.ndarray, dtype: str = "<f4", **facts: Any) -> Response:
    """Return an array as little-endian bytes, with its shape and further values in the headers."""
    headers = {"x-shape": ",".join(map(str, values.shape)), **{f"x-{name}": str(value) for name, value in facts.items()}}
    return Response(np.ascontiguousarray(values, dtype).tobytes(), media_type="application/octet-stream", headers=headers)


def make_look_app(state: LookState, hosts: tuple[str, ...] = LOOPBACK_NAMES) -> FastAPI:
    """Return the page of an inspector as an ASGI application.

    Args:
        state: The model and the reader's files.
        hosts: Names under which the page may be asked for. Others are refused, so that no site in the browser reaches it.
    """

    @asynccontextmanager
    async def run_jobs(app: FastAPI) -> AsyncIterator[None]:
        jobs = [job for job in (state.scan, state.synthesis) if job is not None]
        for job in jobs:
            job.thread.start()
        yield
        for job in jobs:
            job.stop()
        for job in jobs:
            await asyncio.to_thread(job.thread.join, 20)

    app = FastAPI(title=f"kerasrecipes look: {state.inspector.name}", lifespan=run_jobs, docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit, max_bytes=MAX_BYTES)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))

    @app.exception_handler(KerasRecipesError)
    async def answer_error(request: Request, error: KerasRecipesError) -> JSONResponse:
        return JSONResponse(make_error(400, str(error)), 400)

    add_routes(app, state)
    folder = resources.files("kerasrecipes") / "assets"

    @app.get("/")
    def read_page() -> Response:
        return Response((folder / "web" / PAGE).read_bytes(), media_type="text/html", headers=NO_CACHE)

    app.mount("/web", StaticFiles(directory=str(folder / "web")))
    return app


def add_routes(app: FastAPI, state: LookState) -> None:
    """Add the routes of the model's values."""

    @app.get("/model")
    def read_model() -> dict[str, Any]:
        return state.describe()

    @app.get("/jobs")
    def read_jobs() -> dict[str, Any]:
        return state.describe_jobs()

    @app.get("/files/{index}")
    def read_file(index: int) -> Response:
        if not 0 <= index < len(state.files):
            return JSONResponse(make_error(404, "There is no such file"), 404)
        return FileResponse(state.files[index])

    @app.post("/files/{index}/inspect")
    def inspect_file(index: int, stretch: bool = False) -> dict[str, Any]:
        if not 0 <= index < len(state.files):
            raise KerasRecipesError("There is no such file")
        return state.inspect(state.files[index], **({"stretch": stretch} if state.inspector.kind == "image" else {}))

    @app.post("/inspect")
    async def inspect_body(
        request: Request, stretch: bool = False, height: int = 0, width: int = 0, sample_rate: int = 0,
    ) -> dict[str, Any]:  # fmt: skip
        body = await request.body()
        options: dict[str, Any] = {"stretch": stretch} if state.inspector.kind == "image" else {}
        source: Any = body
        if height and width:
            if len(body) != 3 * height * width:
                raise KerasRecipesError(f"{len(body)} bytes are no image of {width} x {height} pixels with 3 colors")
            source = np.frombuffer(body, "uint8").reshape(height, width, 3)
        elif sample_rate:
            source, options["sample_rate"] = np.frombuffer(body[: len(body) // 4 * 4], "<f4"), sample_rate
        return await asyncio.to_thread(state.inspect, source, **options)

    @app.get("/inputs/{number}/display")
    def read_display(number: int) -> Response:
        display = state.get_inspection(number).display
        return send_array(display, "u1" if display.dtype == np.uint8 else "<f4")

    @app.get("/inputs/{number}/activations")
    def read_activations(number: int, layer: str) -> Response:
        return send_array(state.get_inspection(number).get_activations(layer))

    @app.get("/inputs/{number}/saliency")
    def read_saliency(number: int, unit: str, method: str) -> Response:
        inspection = state.get_inspection(number)
        with state.lock:
            values, activation = state.inspector.compute_saliency(inspection, unit, method)
        return send_array(values, activation=activation)

    @app.get("/inputs/{number}/signals")
    def read_signals(number: int, unit: str, method: str, layer: str) -> Response:
        inspection = state.get_inspection(number)
        with state.lock:
            return send_array(state.inspector.compute_signals(inspection, unit, method, layer))

    @app.get("/inputs/{number}/fields")
    def read_fields(number: int, layer: str) -> Any:
        return state.inspector.describe_fields(state.get_inspection(number), layer)

    @app.get("/patches")
    def read_patches(layer: str, channel: int, method: str | None = None) -> Response:
        with state.lock:
            top = state.scan.find_patches(layer, channel, method) if state.scan else None
        if top is None:
            return send_array(np.zeros((0, 0, 0, 3), "uint8"), "u1", files="", activations="")
        pixels = top.patches if top.saliency is None else np.concatenate([top.patches, top.saliency])
        indices = [state.files.index(str(source)) for source in top.sources]
        activations = ",".join(f"{value:.7g}" for value in top.activations)
        return send_array(pixels, "u1", files=",".join(map(str, indices)), activations=activations)

    @app.get("/synthesized")
    def list_synthesized(layer: str) -> list[int]:
        return state.synthesis.list_channels(layer) if state.synthesis else []

    @app.get("/synthesized/image")
    def read_synthesized(unit: str) -> Response:
        path = state.synthesis and state.synthesis.find(unit)
        return FileResponse(path) if path else JSONResponse(make_error(404, "There is no such image yet"), 404)

    @app.post("/synthesized")
    def request_synthesis(unit: Annotated[str, Query()] = "", layer: Annotated[str, Query()] = "", count: int = 0) -> dict[str, Any]:
        if state.synthesis is None:
            raise KerasRecipesError("This model has no gradients, so nothing can be synthesized")
        if layer:
            state.synthesis.request_layer(layer, count)
        else:
            state.synthesis.request(unit)
        return {**state.synthesis.describe(), "error": state.synthesis.find_error(unit) if unit else None}
