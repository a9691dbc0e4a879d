/* base/cancel.h - inside of cancellation tokens. */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include "base/sync.h"

/* One more reference, given back by ms_cancel_free. */
struct ms_cancel *ms_cancel_ref(struct ms_cancel *cancel);

#endif
