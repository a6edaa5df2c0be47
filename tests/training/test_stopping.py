import os
import signal
import threading

import pytest

from musicdiff.training.stopping import stop_requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_the_second_ends(number):
    with stop_requests() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop == [number.name]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_afterwards_signals_do_what_they_did():
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(ZeroDivisionError), stop_requests():
        assert signal.getsignal(signal.SIGTERM) not in handlers
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_outside_the_main_thread_it_waits_in_vain():
    found = []

    def run():
        with stop_requests() as stop:
            found.append(list(stop))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [[]]
