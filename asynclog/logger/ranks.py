"""Which of several processes of one training this is, as its launcher says in the environment: the one place that reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple


class _Names(NamedTuple):
    """What a launcher calls them; the first of several that is set. node_size: how many processes a node has."""

    rank: tuple[str, ...]
    local_rank: tuple[str, ...]
    node_rank: tuple[str, ...]
    world_size: tuple[str, ...]
    node_size: tuple[str, ...] = ()


# The first launcher whose rank is set is believed: torchrun is often itself started by srun or mpirun.
_LAUNCHERS: Final = (
    # torchrun, accelerate, deepspeed, Lightning's torchelastic.
    _Names(("RANK",), ("LOCAL_RANK",), ("GROUP_RANK", "NODE_RANK"), ("WORLD_SIZE",), ("LOCAL_WORLD_SIZE",)),
    # srun. Not SLURM_NTASKS: a script of sbatch that starts one process by itself has it, too, with a SLURM_PROCID of 0.
    _Names(("SLURM_PROCID",), ("SLURM_LOCALID",), ("SLURM_NODEID",), ("SLURM_STEP_NUM_TASKS",)),
    # Open MPI's own NODE_RANK is the place on the node, not the node's.
    _Names(
        ("OMPI_COMM_WORLD_RANK",),
        ("OMPI_COMM_WORLD_LOCAL_RANK",),
        (),
        ("OMPI_COMM_WORLD_SIZE",),
        ("OMPI_COMM_WORLD_LOCAL_SIZE",),
    ),
    # MPICH, Intel MPI.
    _Names(("PMI_RANK",), ("MPI_LOCALRANKID",), (), ("PMI_SIZE",), ("MPI_LOCALNRANKS",)),
    # Lightning's own launcher, on one node.
    _Names(("LOCAL_RANK",), ("LOCAL_RANK",), ("NODE_RANK",), ("WORLD_SIZE",)),
)


@dataclass(frozen=True, slots=True)
class Ranks:
    """rank: among all processes, from 0. local_rank: among those of this node. node_rank: the node's. world_size: how many
    processes there are."""

    rank: int = 0
    local_rank: int = 0
    node_rank: int = 0
    world_size: int = 1

    @property
    def writer(self) -> str:
        """The name of this process's stream in a run unless somebody chose one: "main", or "rank<n>" if there are several."""
        return f"rank{self.rank}" if self.world_size > 1 else "main"


def ranks_here(environ: Mapping[str, str] = os.environ) -> Ranks:
    """This process's place among those of one training, by what torchrun, srun, mpirun and their like set; rank 0 of 1 where
    nothing is set, or what is set is no number."""
    for names in _LAUNCHERS:
        rank = _number(environ, names.rank)
        if rank is not None:
            break
    else:
        return Ranks()
    node_size = _number(environ, names.node_size)
    guessed = rank // node_size if node_size else 0
    return Ranks(
        rank,
        _number(environ, names.local_rank) or 0,
        _number(environ, names.node_rank, guessed) or 0,
        max(_number(environ, names.world_size) or 1, rank + 1),
    )


def _number(environ: Mapping[str, str], names: tuple[str, ...], otherwise: int | None = None) -> int | None:
    for name in names:
        text = environ.get(name, "")
        if text.isascii() and text.isdigit():
            return int(text)
    return otherwise
