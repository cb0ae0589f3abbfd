"""The processes that train together, as torchrun starts them, or one alone."""

import os
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from soundstage.errors import UserError


@dataclass(frozen=True)
class Group:
    """This process among those that share every batch."""

    rank: int
    processes: int
    device: torch.device

    @property
    def first(self):
        """Return whether this is the process that writes and speaks."""
        return self.rank == 0

    def mine(self, batch):
        """Return this process's rows of {name: tensor of the whole batch}."""
        if self.processes == 1:
            return batch
        return {name: value.chunk(self.processes)[self.rank] for name, value in batch.items()}

    def highest(self, number):
        """Return the highest of a whole number over all processes."""
        if self.processes == 1:
            return number
        value = torch.tensor(number, device=self.device)
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return int(value)

    def all_of(self, value):
        """Return a list of every process's value, any object that can be pickled."""
        if self.processes == 1:
            return [value]
        values = [None] * self.processes
        distributed.all_gather_object(values, value)
        return values


@contextmanager
def join(device):
    """Yield the `Group`; under torchrun, meet the other processes first, and part from them at the end.

    device: "cpu", "cuda" or "auto". UserError when cuda is asked for and there is none.
    """
    processes, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("torch finds no CUDA device here", "pretrain.engine.device", "set it to auto or cpu")
    if device == "cpu" or not torch.cuda.is_available():
        chosen = torch.device("cpu")
    else:
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(chosen)
    if processes > 1:
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Group(rank, processes, chosen)
    finally:  # also after an error: a process that ends while gloo's threads run is aborted, which hides the error
        if processes > 1:
            distributed.destroy_process_group()
