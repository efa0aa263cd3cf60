"""Which process of several this is, by what launchers set."""

from collections.abc import Mapping

import pytest

from asynclog.logger.ranks import Ranks, ranks_here

TORCHRUN = {"RANK": "5", "LOCAL_RANK": "1", "GROUP_RANK": "2", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "2"}
SRUN = {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "8"}
MPIRUN = {
    "OMPI_COMM_WORLD_RANK": "5",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_NODE_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
}


@pytest.mark.parametrize(
    ("environ", "ranks"),
    [
        ({}, Ranks(0, 0, 0, 1)),
        (TORCHRUN, Ranks(5, 1, 2, 6)),
        (SRUN, Ranks(3, 1, 1, 4)),
        (SRUN | TORCHRUN, Ranks(5, 1, 2, 6)),
        (MPIRUN, Ranks(5, 1, 1, 8)),
        ({"PMI_RANK": "2", "PMI_SIZE": "3", "MPI_LOCALRANKID": "2", "MPI_LOCALNRANKS": "3"}, Ranks(2, 2, 0, 3)),
        ({"RANK": "0", "WORLD_SIZE": "4", "NODE_RANK": "0"}, Ranks(0, 0, 0, 4)),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, Ranks(1, 1, 0, 2)),
        ({"RANK": "2"}, Ranks(2, 0, 0, 3)),
        ({"RANK": "", "WORLD_SIZE": "x", "SLURM_PROCID": "-1"}, Ranks(0, 0, 0, 1)),
        ({"RANK": "²"}, Ranks(0, 0, 0, 1)),
    ],
)
def test_what_a_launcher_sets_is_understood(environ: Mapping[str, str], ranks: Ranks) -> None:
    assert ranks_here(environ) == ranks


def test_a_script_of_sbatch_that_starts_one_process_is_alone() -> None:
    batch = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NTASKS": "16"}
    assert ranks_here(batch) == Ranks(0, 0, 0, 1)


@pytest.mark.parametrize(
    ("ranks", "name"), [(Ranks(), "main"), (Ranks(0, world_size=2), "rank0"), (Ranks(7, 3, 1, 8), "rank7")]
)
def test_a_stream_is_named_after_the_rank_where_there_are_several(ranks: Ranks, name: str) -> None:
    assert ranks.writer == name
