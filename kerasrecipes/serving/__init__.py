"""A server that transcribes over HTTP, as OpenAI's clients call it, and over a WebSocket."""
