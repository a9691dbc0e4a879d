/* base/put_text.h - text from anywhere, as people may look at it. */
#ifndef BASE_PUT_TEXT_H
#define BASE_PUT_TEXT_H

#include <mstore/base.h>
#include <stdio.h>

/* UTF-8 as it is, control characters and other bytes as \xNN. With html: also & < > " ' as
 * entities. */
void ms_put_text(FILE *file, const char *text, bool html);

#endif
