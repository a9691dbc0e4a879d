/* mstore/emulator.h - a backend in front of a backend: slower, narrower, faultier than it is.
 *
 * By URL option: emulate.latency=50ms emulate.jitter=5ms
 * emulate.distribution=uniform|normal|exponential emulate.bandwidth=20mbit (both ways) emulate.up=
 * emulate.down= emulate.seed=N emulate.error=VERB:RATE[:CODE]
 * emulate.fail=VERB:N[:before|after[:CODE]] emulate.torn=RATE emulate.flip=RATE emulate.hang=VERB:N
 * emulate.gone=FROM-UNTIL (call numbers). VERB may be "any"; several errors, fails or hangs stand
 * with commas between. By environment, for all: MSTORE_LATENCY in microseconds, MSTORE_BANDWIDTH in
 * bits per second, with BorgStore's meaning: a call takes at least latency + volume / bandwidth
 * (the storage's own time counts towards it). Bandwidth is shared by the operations in flight, each
 * direction by itself. What counts as a call, and where in it a fault strikes: docs/emulator.md.
 */
#ifndef MSTORE_EMULATOR_H
#define MSTORE_EMULATOR_H

#include <mstore/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ms_distribution { MS_UNIFORM, MS_NORMAL, MS_EXPONENTIAL };

/* One planned fault of one verb (MS_VERB_COUNT: any verb). */
struct ms_fault {
    int verb;
    enum {
        MS_FAULT_RATE, /* each call fails with probability `rate` */
        MS_FAULT_NTH,  /* exactly the nth call of the verb (1 is the first) fails */
        MS_FAULT_HANG, /* exactly the nth call waits until it is cancelled or the backend closed */
    } kind;
    double rate;
    uint64_t nth;
    bool after; /* the effect happens, then the failure is reported */
    int code;   /* reported; 0: MS_ERR_CONNECTION */
};

struct ms_emulation {
    size_t struct_size; /* sizeof(struct ms_emulation) */
    uint64_t latency_ns;
    uint64_t jitter_ns; /* uniform: latency ± jitter; normal: standard deviation; exponential: mean
                           of what is added */
    enum ms_distribution distribution;
    uint64_t up_bps, down_bps; /* bits per second; 0: unlimited */
    uint64_t seed;
    double torn_rate;               /* a store writes only a prefix, then reports failure */
    double flip_rate;               /* a load returns one flipped bit, without a word */
    uint64_t gone_from, gone_until; /* calls with these numbers (from 1, until excluded) find no
                                       storage: MS_ERR_CONNECTION; equal: never */
    const struct ms_fault *faults;
    size_t fault_count;
};

MS_API void ms_emulation_init(struct ms_emulation *e);
/* Wraps inner (closed), which the wrapper then owns; on failure the caller keeps it. */
MS_API int ms_emulator_new(struct ms_backend *inner, const struct ms_emulation *e,
                           struct ms_backend **out, struct ms_error *err) MS_MUST_CHECK;
/* Takes the emulate.* options out of url and makes the backend behind what they say; without any,
 * and with env_defaults without the two environment variables, it is the plain backend. */
MS_API int ms_emulator_make_url(struct ms_url *url, const struct ms_backend_env *env,
                                bool env_defaults, struct ms_backend **out,
                                struct ms_error *err) MS_MUST_CHECK;
/* Changes while it runs, for tests: `gone` makes every call fail as above until it is false. New
 * faults replace the old ones and count calls from then. Works on the outermost emulator only; any
 * other backend: MS_ERR_INVALID. */
MS_API int ms_emulator_set_gone(struct ms_backend *b, bool gone, struct ms_error *err);
MS_API int ms_emulator_set_faults(struct ms_backend *b, const struct ms_fault *faults, size_t count,
                                  struct ms_error *err);
MS_API uint64_t ms_emulator_calls(struct ms_backend *b, int verb); /* MS_VERB_COUNT: all */

#ifdef __cplusplus
}
#endif
#endif
