"""Work that is not wanted any more ends at the next step of the denoiser."""

from __future__ import annotations

import threading

import pytest
import torch

from synthgen.diffusion.solvers import schedule, solve
from synthgen.diffusion.stopping import Stopped, go_on, stoppable


@pytest.mark.parametrize("solver", ["euler", "heun", "dpm++"])
def test_no_step_is_taken_after_the_event(solver):
    event, calls = threading.Event(), []

    def net(x, sigma, condition, keep):
        calls.append(float(sigma[0]))
        if len(calls) == 3:
            event.set()
        return 0.5 * x

    with pytest.raises(Stopped), stoppable(event):
        solve(net, torch.ones(2, 3), {}, schedule(20), solver)
    assert len(calls) == 3


def test_the_event_is_of_one_thread_and_one_block():
    event, told = threading.Event(), []
    event.set()
    with stoppable(event):
        with pytest.raises(Stopped):
            go_on()
        with stoppable(threading.Event()):
            go_on()
        other = threading.Thread(target=lambda: told.append(go_on()))
        other.start()
        other.join()
    go_on()
    assert told == [None]
