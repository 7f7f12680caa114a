"""Child processes of benchmarks: answers, CPU time, errors and missing packages."""

import pytest
from child_process import ChildError, Unavailable, Worker, require_package, run_child

WORKS = """
import os, subprocess, sys, time
from child_process import Unavailable

def make_sum(numbers):
    print("a library prints this")
    return lambda: {"amount": len(numbers), "value": sum(numbers), "note": os.environ.get("COLOR", "")}

def make_sleep():
    return lambda: time.sleep(0.3)

def make_loop(seconds, in_child=False):
    code = f"import time\\nwhile time.process_time() < {seconds}: pass"
    if in_child:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True) and None
    def work():
        begin = time.process_time()
        while time.process_time() - begin < seconds:
            pass
    return work

def make_missing():
    raise Unavailable("install it")

def make_error():
    return lambda: 1 / 0

def make_crash():
    return lambda: os._exit(3)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("works")
    (folder / "works.py").write_text(WORKS)
    return {"PYTHONPATH": str(folder), "COLOR": "green"}


@pytest.fixture(scope="module")
def worker(environment):
    with Worker(environment) as worker:
        yield worker


def test_run_child_returns_the_last_line_and_passes_the_environment():
    code = "import json, os, sys; print('words'); print(json.dumps([sys.argv[1], os.environ['COLOR']]))"
    assert run_child(["-c", code, 7], COLOR="blue") == ["7", "blue"]


def test_run_child_tells_the_error_of_the_child():
    with pytest.raises(ChildError, match="(?s)status 1.*ValueError: too long"):
        run_child(["-c", "raise ValueError('too long')"])


def test_works_of_a_worker_take_turns(worker):
    """Text that a library prints is not taken for an answer."""
    small, large = (worker.prepare("works:make_sum", {"numbers": numbers}) for numbers in ([1, 2], [3, 4, 5]))
    answers = [worker.repeat(number) for number in (large, small, large)]
    assert [(a["amount"], a["value"], a["note"]) for a in answers] == [(3, 12, "green"), (2, 3, "green"), (3, 12, "green")]


@pytest.mark.parametrize("in_child", [False, True])
def test_cpu_time_counts_computing_here_and_in_children(worker, in_child):
    answer = worker.repeat(worker.prepare("works:make_loop", {"seconds": 0.2, "in_child": in_child}))
    assert 0.19 < answer["cpu"] < 0.6 and answer["seconds"] > 0.19


def test_cpu_time_does_not_count_waiting(worker):
    answer = worker.repeat(worker.prepare("works:make_sleep", {}))
    assert answer["cpu"] < 0.1 and answer["seconds"] > 0.29


def test_a_worker_survives_missing_packages_and_errors(worker):
    with pytest.raises(Unavailable, match="install it"):
        worker.prepare("works:make_missing", {})
    with pytest.raises(ChildError, match="ZeroDivisionError"):
        worker.repeat(worker.prepare("works:make_error", {}))
    with pytest.raises(ChildError, match="make_sum"):
        worker.prepare("works:make_sum", {"digits": [1]})
    assert worker.repeat(worker.prepare("works:make_sum", {"numbers": [2]}))["value"] == 2


def test_a_crash_is_an_error_with_the_status(environment):
    with Worker(environment) as worker:
        number = worker.prepare("works:make_crash", {})
        for _ in range(2):
            with pytest.raises(ChildError, match="status 3"):
                worker.repeat(number)


def test_a_missing_package_names_the_extra_that_installs_it():
    require_package("json", "teacher")
    with pytest.raises(Unavailable, match=r'no_such_package is not installed: pip install "kerasrecipes\[teacher\]"'):
        require_package("no_such_package", "teacher")
