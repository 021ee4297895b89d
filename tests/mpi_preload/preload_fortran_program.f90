! SPDX-License-Identifier: Apache-2.0
!
! One rank of a Fortran program that knows nothing of Thinwire, by module mpi: one call of each
! function that is caught, in place where that is possible. Prints "good".
program preload_fortran_program
  use mpi
  implicit none
  integer, parameter :: n = 5000
  integer :: rank, ranks, ierror, provided, told, request, every_second, i
  real, allocatable :: values(:), parts(:)
  double precision :: doubles(n)

  call MPI_Init_thread(MPI_THREAD_SERIALIZED, provided, ierror)
  call MPI_Query_thread(told, ierror)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierror)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks, ierror)
  call check(provided == MPI_THREAD_SERIALIZED .and. told == provided, 'threads')
  allocate (values(n * ranks), parts(n * ranks))

  call fill(values(:n))
  call MPI_Allreduce(MPI_IN_PLACE, values, n, MPI_REAL, MPI_SUM, MPI_COMM_WORLD, ierror)
  call check(all(values(:n) == sums(0)), 'MPI_Allreduce')

  doubles = rank + 1
  call MPI_Iallreduce(MPI_IN_PLACE, doubles, n, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, &
                      request, ierror)
  call MPI_Wait(request, MPI_STATUS_IGNORE, ierror)
  call check(all(doubles == ranks * (ranks + 1) / 2), 'MPI_Iallreduce')

  call fill(values)
  call MPI_Reduce_scatter_block(values, parts, n, MPI_REAL, MPI_SUM, MPI_COMM_WORLD, ierror)
  call check(all(parts(:n) == sums(rank * n)), 'MPI_Reduce_scatter_block')
  call MPI_Ireduce_scatter_block(MPI_IN_PLACE, values, n, MPI_REAL, MPI_SUM, MPI_COMM_WORLD, &
                                 request, ierror)
  call MPI_Wait(request, MPI_STATUS_IGNORE, ierror)
  call check(all(values(:n) == sums(rank * n)), 'MPI_Ireduce_scatter_block')

  call fill(values(:n))
  call MPI_Allgather(values, n, MPI_REAL, parts, n, MPI_REAL, MPI_COMM_WORLD, ierror)
  call check(gathered(parts), 'MPI_Allgather')
  parts = 0
  parts(rank * n + 1:(rank + 1) * n) = values(:n)
  call MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, parts, n, MPI_REAL, MPI_COMM_WORLD, &
                      request, ierror)
  call MPI_Wait(request, MPI_STATUS_IGNORE, ierror)
  call check(gathered(parts), 'MPI_Iallgather')

  call fill(values(:n))
  call MPI_Bcast(values, n, MPI_REAL, 1, MPI_COMM_WORLD, ierror)
  call check(all(values(:n) == [(element(1, i), i = 0, n - 1)]), 'MPI_Bcast')

  ! Rank 0 has its values at every second place, and names no buffer but MPI_BOTTOM.
  call place(every_second)
  call fill(values(:n))
  parts = 0
  parts(1:2 * n:2) = values(:n)
  if (rank == 0) then
    call MPI_Ibcast(MPI_BOTTOM, 1, every_second, 1, MPI_COMM_WORLD, request, ierror)
  else
    call MPI_Ibcast(values, n, MPI_REAL, 1, MPI_COMM_WORLD, request, ierror)
  end if
  call MPI_Wait(request, MPI_STATUS_IGNORE, ierror)
  if (rank == 0) values(:n) = parts(1:2 * n:2)
  call check(all(values(:n) == [(element(1, i), i = 0, n - 1)]), 'MPI_Ibcast')
  call check(rank /= 0 .or. all(parts(2:2 * n:2) == 0), 'what lies between')

  call MPI_Finalize(ierror)
  print '(a)', 'good'

contains

  real function element(r, i)
    integer, intent(in) :: r, i
    element = (r + 1) * 0.5 + mod(i, 1000)
  end function

  subroutine fill(to)
    real, intent(out) :: to(:)
    integer :: j
    to = [(element(rank, j), j = 0, size(to) - 1)]
  end subroutine

  ! What the first n elements from `first` on are when summed over the ranks.
  function sums(first)
    integer, intent(in) :: first
    real :: sums(n)
    integer :: r, j
    sums = 0
    do r = 0, ranks - 1
      sums = sums + [(element(r, first + j), j = 0, n - 1)]
    end do
  end function

  logical function gathered(from)
    real, intent(in) :: from(:)
    integer :: r, j
    gathered = .true.
    do r = 0, ranks - 1
      gathered = gathered .and. all(from(r * n + 1:(r + 1) * n) == [(element(r, j), j = 0, n - 1)])
    end do
  end function

  subroutine place(type)
    integer, intent(out) :: type
    integer(kind=MPI_ADDRESS_KIND) :: address
    integer :: vector
    call MPI_Get_address(parts, address, ierror)
    call MPI_Type_vector(n, 1, 2, MPI_REAL, vector, ierror)
    call MPI_Type_create_hindexed(1, [1], [address], vector, type, ierror)
    call MPI_Type_commit(type, ierror)
  end subroutine

  subroutine check(good, what)
    logical, intent(in) :: good
    character(*), intent(in) :: what
    integer :: unused
    if (good) return
    print '(a, i0, 2a)', 'rank ', rank, ': wrong: ', what
    call MPI_Abort(MPI_COMM_WORLD, 1, unused)
  end subroutine

end program
