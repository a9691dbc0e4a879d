/* mstore/mstore.h - all of mstore. */
#ifndef MSTORE_MSTORE_H
#define MSTORE_MSTORE_H

#include <mstore/base.h>
#include <mstore/stats.h>
#include <mstore/backend.h>
#include <mstore/emulator.h>
#include <mstore/store.h>
#include <mstore/multi.h>

#endif
