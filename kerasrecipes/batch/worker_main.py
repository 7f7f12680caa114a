"""The worker process: reads shards as JSON lines from standard input and writes its answers to standard output.

It exits when its standard input closes, whatever it is doing, so a parent that dies leaves no worker running.
"""

import json
import os
import queue
import sys
import threading
from typing import Any


def main() -> None:
    """Load the model of the first line, then process one shard per line."""
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output that a library prints must not mix with the answers

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    def read_requests() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read_requests, daemon=True).start()
    from kerasrecipes.batch.job import Job, ShardProcessor
    from kerasrecipes.errors import KerasRecipesError

    try:
        job = Job(**requests.get())
        os.chdir(job.working_directory or ".")
        processor = ShardProcessor(job)
    except (KerasRecipesError, TypeError, ValueError, OSError) as error:
        answer(refused=str(error))
        return
    answer(ready=True)
    while True:
        request = requests.get()
        announce = (lambda path: answer(reading=path)) if request["one_by_one"] else None
        try:
            answer(done=processor.process_shard(request["number"], request["paths"], request["deadly"], announce))
        except Exception as error:  # the disk is full, or the folder is gone
            answer(refused=f"shard {request['number']} cannot be written: {error}")
            return


if __name__ == "__main__":
    main()
