# SPDX-License-Identifier: Apache-2.0
message(STATUS "Thinwire ${PROJECT_VERSION}: UCX ${THINWIRE_HAVE_UCX}, sealing ${THINWIRE_HAVE_SODIUM}, MPI ${THINWIRE_HAVE_MPI}, "
               "CUDA ${THINWIRE_HAVE_CUDA}")
