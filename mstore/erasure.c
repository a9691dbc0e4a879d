/* Reed-Solomon by ISA-L.
 *
 * Encoding uses tables made once. Reconstruction needs tables per pattern of what is present and
 * what is wanted; the last of them are kept, up to a number and a volume, in the order of their
 * use. A kept one never changes and is counted, so it is used outside the mutex; it may be made
 * twice at the same time, and then one of the two is dropped. */
#include "mstore/erasure.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/sync.h"

#ifdef MSTORE_HAVE_ISAL

#include <isa-l/erasure_code.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TABLE    32              /* bytes of ISA-L's table for one coefficient */
#define PIECE    ((size_t)32768) /* of each shard at a time, so that sources stay in the cache */
#define KEPT_MAX 128             /* patterns */
#define KEPT_VOLUME                                                                                \
    (4u << 20) /* bytes of their tables; one larger pattern is kept nevertheless                   \
                */

struct pattern {
    uint8_t present[32], wanted[32]; /* bits by shard */
};

struct plan {
    struct pattern pattern;
    atomic_uint refs;
    struct plan *next;
    size_t volume;
    unsigned outputs;
    uint8_t source[MS_ERASURE_SHARDS_MAX]; /* the k shards that are read */
    uint8_t output[MS_ERASURE_SHARDS_MAX]; /* the shards that are written */
    uint8_t tables[];                      /* TABLE bytes × k × outputs */
};

struct ms_erasure {
    unsigned k, m;
    uint8_t *parity_rows;   /* m rows of k coefficients */
    uint8_t *parity_tables; /* TABLE × k × m */
    struct ms_mutex mutex;  /* over what follows */
    struct plan *kept;      /* last used first */
    unsigned kept_count;
    size_t kept_volume;
};

int ms_erasure_new(unsigned k, unsigned m, struct ms_erasure **out, struct ms_error *err)
{
    if (k < 1 || k > MS_ERASURE_SHARDS_MAX || m > MS_ERASURE_SHARDS_MAX - k)
        return ms_error_set(err, MS_ERR_INVALID,
                            "an erasure code of %u+%u shards is impossible: at least 1 data shard "
                            "and at most %d in all",
                            k, m, MS_ERASURE_SHARDS_MAX);
    size_t cells = (size_t)k * m;
    struct ms_erasure *e = calloc(1, sizeof *e);
    MS_AUTO_FREE uint8_t *rows = malloc(cells ? cells : 1);
    MS_AUTO_FREE uint8_t *tables = malloc(cells ? cells * TABLE : 1);
    if (!e || !rows || !tables) {
        free(e);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an erasure code of %u+%u shards",
                            k, m);
    }
    for (unsigned i = 0; i < m; i++)
        for (unsigned j = 0; j < k; j++)
            rows[i * k + j] = gf_inv((uint8_t)((k + i) ^ j));
    if (m > 0)
        ec_init_tables((int)k, (int)m, rows, tables);
    e->k = k;
    e->m = m;
    e->parity_rows = MS_TAKE(rows);
    e->parity_tables = MS_TAKE(tables);
    ms_mutex_init(&e->mutex);
    *out = e;
    return 0;
}

static void plan_unref(struct plan *p)
{
    if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
        free(p);
}

void ms_erasure_free(struct ms_erasure *e)
{
    if (!e)
        return;
    for (struct plan *p = e->kept, *next; p; p = next) {
        next = p->next;
        plan_unref(p);
    }
    ms_mutex_fini(&e->mutex);
    free(e->parity_rows);
    free(e->parity_tables);
    free(e);
}

/* ---- the arithmetic ----------------------------------------------------------------------- */

/* Outputs from sources, piece by piece. ISA-L's arguments lack `const`; it only reads the first
 * two. */
static void multiply(unsigned sources, unsigned outputs, const uint8_t *tables,
                     const uint8_t *const source[], uint8_t *const output[], size_t size)
{
    uint8_t *from[MS_ERASURE_SHARDS_MAX], *to[MS_ERASURE_SHARDS_MAX];
    for (size_t done = 0; done < size && outputs > 0;) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        for (unsigned i = 0; i < sources; i++)
            from[i] = (uint8_t *)(uintptr_t)(source[i] + done);
        for (unsigned i = 0; i < outputs; i++)
            to[i] = output[i] + done;
        ec_encode_data((int)piece, (int)sources, (int)outputs, (uint8_t *)(uintptr_t)tables, from,
                       to);
        done += piece;
    }
}

void ms_erasure_encode(const struct ms_erasure *e, const uint8_t *const data[],
                       uint8_t *const parity[], size_t size)
{
    multiply(e->k, e->m, e->parity_tables, data, parity, size);
}

int ms_erasure_verify(const struct ms_erasure *e, const uint8_t *const shards[], size_t size,
                      struct ms_error *err)
{
    uint8_t right[4096], *to[1] = {right};
    const uint8_t *from[MS_ERASURE_SHARDS_MAX];
    for (size_t done = 0; done < size; done += sizeof right) {
        size_t piece = size - done < sizeof right ? size - done : sizeof right;
        for (unsigned i = 0; i < e->k; i++)
            from[i] = shards[i] + done;
        for (unsigned i = 0; i < e->m; i++) {
            multiply(e->k, 1, e->parity_tables + (size_t)i * e->k * TABLE, from, to, piece);
            if (memcmp(right, shards[e->k + i] + done, piece) != 0)
                return ms_error_set(err, MS_ERR_CORRUPT,
                                    "shard %u of an erasure-coded %u+%u value does not fit its "
                                    "data shards",
                                    e->k + i, e->k, e->m);
        }
    }
    return 0;
}

/* ---- plans -------------------------------------------------------------------------------- */

static bool has(const uint8_t bits[32], unsigned i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static void set(uint8_t bits[32], unsigned i)
{
    bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* The missing data shards, and as many present parities that replace them as sources. */
struct gap {
    unsigned count;
    uint8_t data[MS_ERASURE_SHARDS_MAX], parity[MS_ERASURE_SHARDS_MAX]; /* parity: 0..m-1 */
};

static void find_gap(const struct ms_erasure *e, const struct pattern *p, struct gap *gap)
{
    unsigned parity = 0;
    gap->count = 0;
    for (unsigned j = 0; j < e->k; j++) {
        if (has(p->present, j))
            continue;
        while (!has(p->present, e->k + parity))
            parity++;
        gap->data[gap->count] = (uint8_t)j;
        gap->parity[gap->count++] = (uint8_t)parity++;
    }
}

/* The square of the parities' coefficients at the missing data shards, inverted. `scratch` and
 * `inverse` have gap->count² bytes. */
static void invert_gap(const struct ms_erasure *e, const struct gap *gap, uint8_t *scratch,
                       uint8_t *inverse)
{
    unsigned n = gap->count;
    for (unsigned r = 0; r < n; r++)
        for (unsigned c = 0; c < n; c++)
            scratch[r * n + c] = e->parity_rows[gap->parity[r] * e->k + gap->data[c]];
    if (n > 0)
        ms_assert(gf_invert_matrix(scratch, inverse, (int)n) == 0); /* Cauchy: always possible */
}

/* What data shard gap->data[which] is, in terms of the sources: those are in the shards' order,
 * with gap->parity[x] in the place of gap->data[x]. With parity = C_gap·x + C_rest·rest follows x =
 * inverse·parity + inverse·C_rest·rest. */
static void data_row(const struct ms_erasure *e, const struct gap *gap, const uint8_t *inverse,
                     unsigned which, uint8_t *row)
{
    const uint8_t *mine = inverse + (size_t)which * gap->count;
    unsigned next = 0;
    for (unsigned j = 0; j < e->k; j++) {
        if (next < gap->count && gap->data[next] == j) {
            row[j] = mine[next++];
            continue;
        }
        row[j] = 0;
        for (unsigned x = 0; x < gap->count; x++)
            row[j] ^= gf_mul(mine[x], e->parity_rows[gap->parity[x] * e->k + j]);
    }
}

/* What a parity is in those terms: its row, with each missing data shard replaced by its own. */
static void parity_row(const struct ms_erasure *e, const struct gap *gap, const uint8_t *data_rows,
                       unsigned parity, uint8_t *row)
{
    const uint8_t *mine = e->parity_rows + (size_t)parity * e->k;
    memcpy(row, mine, e->k);
    for (unsigned x = 0; x < gap->count; x++)
        row[gap->data[x]] = 0;
    for (unsigned x = 0; x < gap->count; x++)
        for (unsigned j = 0; j < e->k; j++)
            row[j] ^= gf_mul(mine[gap->data[x]], data_rows[(size_t)x * e->k + j]);
}

/* The rows of all outputs, in the order of the shards. */
static void output_rows(const struct ms_erasure *e, const struct gap *gap, const uint8_t *data_rows,
                        struct plan *plan, uint8_t *rows)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < e->k + e->m; i++) {
        unsigned which = missing;
        if (i < e->k && !has(plan->pattern.present, i))
            missing++;
        if (!has(plan->pattern.wanted, i))
            continue;
        uint8_t *row = rows + (size_t)plan->outputs * e->k;
        if (i < e->k)
            memcpy(row, data_rows + (size_t)which * e->k, e->k);
        else
            parity_row(e, gap, data_rows, i - e->k, row);
        plan->output[plan->outputs++] = (uint8_t)i;
    }
}

static unsigned count_bits(const uint8_t bits[32])
{
    unsigned count = 0;
    for (unsigned i = 0; i < 32; i++)
        count += (unsigned)__builtin_popcount(bits[i]);
    return count;
}

/* NULL: out of memory. */
static struct plan *plan_new(const struct ms_erasure *e, const struct pattern *pattern)
{
    struct gap gap;
    find_gap(e, pattern, &gap);
    size_t n = gap.count, outputs = count_bits(pattern->wanted);
    size_t volume = sizeof(struct plan) + TABLE * (size_t)e->k * outputs;
    struct plan *plan = calloc(1, volume);
    /* two squares, the rows of the missing data shards, the rows of the outputs */
    MS_AUTO_FREE uint8_t *work = malloc(2 * n * n + (n + outputs) * e->k + 1);
    if (!plan || !work) {
        free(plan);
        return NULL;
    }
    uint8_t *inverse = work + n * n, *data_rows = inverse + n * n, *rows = data_rows + n * e->k;
    plan->pattern = *pattern;
    plan->refs = 1;
    plan->volume = volume;
    invert_gap(e, &gap, work, inverse);
    for (unsigned j = 0; j < e->k; j++)
        plan->source[j] = (uint8_t)j;
    for (unsigned x = 0; x < n; x++) {
        data_row(e, &gap, inverse, x, data_rows + (size_t)x * e->k);
        plan->source[gap.data[x]] = (uint8_t)(e->k + gap.parity[x]);
    }
    output_rows(e, &gap, data_rows, plan, rows);
    ec_init_tables((int)e->k, (int)outputs, rows, plan->tables);
    return plan;
}

/* ---- those that are kept ------------------------------------------------------------------ */

/* A kept plan, now the last used, with a reference for the caller; NULL: none. */
static struct plan *kept_find(struct ms_erasure *e, const struct pattern *pattern)
{
    for (struct plan **at = &e->kept; *at; at = &(*at)->next) {
        struct plan *p = *at;
        if (memcmp(&p->pattern, pattern, sizeof *pattern) != 0)
            continue;
        *at = p->next;
        p->next = e->kept;
        e->kept = p;
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        return p;
    }
    return NULL;
}

/* Drops those used longest ago until the limits hold again. */
static void kept_trim(struct ms_erasure *e)
{
    while (e->kept_count > 1 && (e->kept_count > KEPT_MAX || e->kept_volume > KEPT_VOLUME)) {
        struct plan **at = &e->kept;
        while ((*at)->next)
            at = &(*at)->next;
        struct plan *oldest = *at;
        *at = NULL;
        e->kept_count--;
        e->kept_volume -= oldest->volume;
        plan_unref(oldest);
    }
}

/* Keeps a new plan, unless another thread was faster. */
static void keep(struct ms_erasure *e, struct plan *plan)
{
    MS_HOLD(&e->mutex);
    struct plan *other = kept_find(e, &plan->pattern);
    if (other) {
        plan_unref(other);
        return;
    }
    atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
    plan->next = e->kept;
    e->kept = plan;
    e->kept_count++;
    e->kept_volume += plan->volume;
    kept_trim(e);
}

/* The plan for a pattern, with a reference for the caller. NULL: out of memory. */
static struct plan *plan_of(struct ms_erasure *e, const struct pattern *pattern)
{
    {
        MS_HOLD(&e->mutex);
        struct plan *found = kept_find(e, pattern);
        if (found)
            return found;
    }
    struct plan *plan = plan_new(e, pattern);
    if (plan)
        keep(e, plan);
    return plan;
}

int ms_erasure_reconstruct(struct ms_erasure *e, uint8_t *const shards[], const bool present[],
                           size_t size, struct ms_error *err)
{
    struct pattern pattern = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < e->k + e->m; i++) {
        count += present[i];
        if (present[i])
            set(pattern.present, i);
        else if (shards[i])
            set(pattern.wanted, i);
    }
    if (count < e->k)
        return ms_error_set(
            err, MS_ERR_INVALID,
            "%u shards of an erasure-coded %u+%u value are too few: it takes any %u", count, e->k,
            e->m, e->k);
    if (count_bits(pattern.wanted) == 0)
        return 0;
    struct plan *plan = plan_of(e, &pattern);
    if (!plan)
        return ms_error_set(err, MS_ERR_NO_MEMORY,
                            "no memory for the tables that reconstruct shards");
    const uint8_t *from[MS_ERASURE_SHARDS_MAX];
    uint8_t *to[MS_ERASURE_SHARDS_MAX];
    for (unsigned j = 0; j < e->k; j++)
        from[j] = shards[plan->source[j]];
    for (unsigned i = 0; i < plan->outputs; i++)
        to[i] = shards[plan->output[i]];
    multiply(e->k, plan->outputs, plan->tables, from, to, size);
    plan_unref(plan);
    return 0;
}

#else

int ms_erasure_new(unsigned k, unsigned m, struct ms_erasure **out, struct ms_error *err)
{
    (void)out;
    return ms_error_set(err, MS_ERR_UNSUPPORTED,
                        "this mstore was built without ISA-L and has no erasure code (%u+%u shards "
                        "asked for): install the package libisal-dev and build again, or keep "
                        "copies",
                        k, m);
}

/* No handle exists, so nothing below is ever called. */
void ms_erasure_free(struct ms_erasure *e)
{
    ms_assert(!e);
}

void ms_erasure_encode(const struct ms_erasure *e, const uint8_t *const data[],
                       uint8_t *const parity[], size_t size)
{
    (void)data, (void)parity, (void)size;
    ms_assert(!e);
}

int ms_erasure_reconstruct(struct ms_erasure *e, uint8_t *const shards[], const bool present[],
                           size_t size, struct ms_error *err)
{
    (void)e, (void)shards, (void)present, (void)size;
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "this mstore was built without ISA-L");
}

int ms_erasure_verify(const struct ms_erasure *e, const uint8_t *const shards[], size_t size,
                      struct ms_error *err)
{
    (void)e, (void)shards, (void)size;
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "this mstore was built without ISA-L");
}

#endif
