/* Does a listing go round in a circle? Whatever names its next page (a token, a marker, a first
 * key) would come again and again then. Brent's way finds any circle, also one that is not entered
 * at once, and keeps one mark: that of the last page whose number is a power of two. */
#include "backends/s3/s3.h"

#include "base/text.h"

#include <stdlib.h>

int ms_s3_circle_step(struct ms_s3_circle *c, struct ms_view mark, bool *again,
                      struct ms_error *err)
{
    *again = c->mark && ms_equal(mark, ms_view(c->mark, c->size));
    c->steps++;
    if (*again || (c->steps & (c->steps - 1)))
        return 0;
    uint8_t *copy = malloc(mark.size + 1);
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    if (mark.size)
        memcpy(copy, mark.data, mark.size);
    free(c->mark);
    c->mark = copy;
    c->size = mark.size;
    return 0;
}

void ms_s3_circle_fini(struct ms_s3_circle *c)
{
    free(c->mark);
    *c = (struct ms_s3_circle){0};
}

int ms_s3_circle_error(const struct ms_s3 *s, const char *what, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_PROTOCOL, "%s: %s goes round in a circle", s->base.url, what);
}
