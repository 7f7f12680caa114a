"""A worker's process: told about shards on its standard input, one JSON line each; answers on its standard output.

It ends when its input does, whatever it is doing: a process that started it and is gone leaves no worker behind.
"""

import json
import os
import queue
import sys
import threading
from typing import Any


def main() -> None:
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    def listen() -> None:
        for line in sys.stdin:
            orders.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    from kerasrecipes.batch.job import Job, ShardProcessor
    from kerasrecipes.errors import KerasRecipesError

    try:
        job = Job(**orders.get())
        os.chdir(job.base or ".")
        work = ShardProcessor(job)
    except (KerasRecipesError, TypeError, ValueError, OSError) as error:
        answer(refused=str(error))
        return
    answer(ready=True)
    while True:
        order = orders.get()
        announce = (lambda path: answer(at=path)) if order["alone"] else None
        try:
            answer(done=work.shard(order["number"], order["paths"], order["killers"], announce))
        except Exception as error:  # the folder is full, or gone
            answer(refused=f"shard {order['number']} cannot be written: {error}")
            return


if __name__ == "__main__":
    main()
