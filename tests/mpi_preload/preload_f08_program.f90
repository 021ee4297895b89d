! SPDX-License-Identifier: Apache-2.0
!
! Likewise by module mpi_f08, whose names and handles are others and which need no ierror.
program preload_f08_program
  use mpi_f08
  implicit none
  integer, parameter :: n = 5000
  integer :: rank, ranks, r
  type(MPI_Request) :: requests(2)
  real, asynchronous :: values(n), others(n)
  real, allocatable :: parts(:)

  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks)
  allocate (parts(n * ranks))

  values = rank + 1
  call MPI_Allreduce(MPI_IN_PLACE, values, n, MPI_REAL, MPI_SUM, MPI_COMM_WORLD)
  call check(all(values == ranks * (ranks + 1) / 2), 'MPI_Allreduce')

  values = rank + 1
  others = rank
  call MPI_Iallreduce(MPI_IN_PLACE, values, n, MPI_REAL, MPI_SUM, MPI_COMM_WORLD, requests(1))
  call MPI_Ibcast(others, n, MPI_REAL, 1, MPI_COMM_WORLD, requests(2))
  call MPI_Waitall(2, requests, MPI_STATUSES_IGNORE)
  call check(all(values == ranks * (ranks + 1) / 2), 'MPI_Iallreduce')
  call check(all(others == 1), 'MPI_Ibcast')

  values = rank
  call MPI_Allgather(values, n, MPI_REAL, parts, n, MPI_REAL, MPI_COMM_WORLD)
  do r = 0, ranks - 1
    call check(all(parts(r * n + 1:(r + 1) * n) == r), 'MPI_Allgather')
  end do
  call MPI_Reduce_scatter_block(MPI_IN_PLACE, parts, n, MPI_REAL, MPI_SUM, MPI_COMM_WORLD)
  call check(all(parts(:n) == rank * ranks), 'MPI_Reduce_scatter_block')

  call MPI_Finalize()
  print '(a)', 'good'

contains

  subroutine check(good, what)
    logical, intent(in) :: good
    character(*), intent(in) :: what
    if (good) return
    print '(a, i0, 2a)', 'rank ', rank, ': wrong: ', what
    call MPI_Abort(MPI_COMM_WORLD, 1)
  end subroutine

end program
