/* mstore/log2.c - a base-2 logarithm in whole numbers (see mstore/log2.h).
 *
 * x = 2^n * M with 1 <= M < 2. The seven bits after M's leading one choose R, close to 1/M and a
 * whole multiple of 2^-32, so that z = M * R is exact and 1 <= z < 1 + 2^-7 + 2^-30. Then
 *
 *     log2(x) = n - log2(R) + log2(z)
 *
 * with -log2(R) from a table, rounded to 2^-56, and log2(z) by the first eight terms of
 * ln(1 + t) = t - t^2/2 + t^3/3 - ... over ln(2). What is left out is below 2^-65. The table's
 * numbers are checked in tests/unit/test_mstore_placement.c against a logarithm by squaring.
 */
#include "mstore/log2.h"

typedef unsigned __int128 u128;

/* ceil(2^39 / (128 + i)): R in units of 2^-32; the first does not fit and is 2^32. */
static const uint32_t reciprocals[128] = {
    0x00000000u, 0xfe03f810u, 0xfc0fc0fdu, 0xfa232cf3u, 0xf83e0f84u, 0xf6603d99u, 0xf4898d60u,
    0xf2b9d649u, 0xf0f0f0f1u, 0xef2eb720u, 0xed7303b6u, 0xebbdb2a6u, 0xea0ea0ebu, 0xe865ac7cu,
    0xe6c2b449u, 0xe525982bu, 0xe38e38e4u, 0xe1fc780fu, 0xe070381du, 0xdee95c4du, 0xdd67c8a7u,
    0xdbeb61efu, 0xda740da8u, 0xd901b204u, 0xd79435e6u, 0xd62b80d7u, 0xd4c77b04u, 0xd3680d37u,
    0xd20d20d3u, 0xd0b69fccu, 0xcf6474a9u, 0xce168a78u, 0xcccccccdu, 0xcb8727c1u, 0xca4587e7u,
    0xc907da4fu, 0xc7ce0c7du, 0xc6980c6au, 0xc565c87cu, 0xc4372f86u, 0xc30c30c4u, 0xc1e4bbd6u,
    0xc0c0c0c1u, 0xbfa02fe9u, 0xbe82fa0cu, 0xbd691048u, 0xbc52640cu, 0xbb3ee722u, 0xba2e8ba3u,
    0xb92143fbu, 0xb81702e1u, 0xb70fbb5bu, 0xb60b60b7u, 0xb509e68bu, 0xb40b40b5u, 0xb30f6353u,
    0xb21642c9u, 0xb11fd3b9u, 0xb02c0b03u, 0xaf3addc7u, 0xae4c415du, 0xad602b59u, 0xac769185u,
    0xab8f69e3u, 0xaaaaaaabu, 0xa9c84a48u, 0xa8e83f58u, 0xa80a80a9u, 0xa72f053au, 0xa655c43au,
    0xa57eb503u, 0xa4a9cf1eu, 0xa3d70a3eu, 0xa3065e40u, 0xa237c32cu, 0xa16b312fu, 0xa0a0a0a1u,
    0x9fd809feu, 0x9f1165e8u, 0x9e4cad24u, 0x9d89d89eu, 0x9cc8e161u, 0x9c09c09du, 0x9b4c6f9fu,
    0x9a90e7dau, 0x99d722dbu, 0x991f1a52u, 0x9868c80au, 0x97b425eeu, 0x97012e03u, 0x964fda6du,
    0x95a02569u, 0x94f20950u, 0x94458095u, 0x939a85c5u, 0x92f11385u, 0x92492493u, 0x91a2b3c5u,
    0x90fdbc0au, 0x905a3864u, 0x8fb823efu, 0x8f1779dau, 0x8e78356eu, 0x8dda5203u, 0x8d3dcb09u,
    0x8ca29c05u, 0x8c08c08du, 0x8b70344bu, 0x8ad8f2fcu, 0x8a42f871u, 0x89ae408au, 0x891ac73bu,
    0x88888889u, 0x87f78088u, 0x8767ab60u, 0x86d90545u, 0x864b8a7eu, 0x85bf3762u, 0x85340854u,
    0x84a9f9c9u, 0x84210843u, 0x83993053u, 0x83126e98u, 0x828cbfbfu, 0x82082083u, 0x81848da9u,
    0x81020409u, 0x80808081u,
};

/* -log2(R) in units of 2^-56. */
static const uint64_t logs[128] = {
    0x00000000000000, 0x02dfca16afb67b, 0x05b9e5a010b00a, 0x088e68e988cd4f, 0x0b5d69ba995435,
    0x0e26fd5b1ca934, 0x10eb389ee9f560, 0x13aa2fdbb97ff5, 0x1663f6fab1fdcf, 0x1918a16de9de3d,
    0x1bc842405ce141, 0x1e72ec111d8b43, 0x2118b1183814ad, 0x23b9a32dcf0cd0, 0x2655d3c385cd10,
    0x28ed53f2f9814e, 0x2b8034733f02d4, 0x2e0e85a86f9331, 0x3098579ecfd856, 0x331dba0e5e2f73,
    0x359ebc59d5e4c6, 0x381b6d9b64b40c, 0x3a93dc972188f8, 0x3d0817cd935fe5, 0x3f782d7065510f,
    0x41e42b6d524e58, 0x444c1f6a201937, 0x46b016c96994f2, 0x49101eaa8d133d, 0x4b6c43f0e5a044,
    0x4dc49339b2283b, 0x501918eae3a768, 0x5269e12ed8190e, 0x54b6f7f01a78cc, 0x570068e76a9fc4,
    0x59463f90bfc1cc, 0x5b8887363a7e47, 0x5dc74ae90f52d4, 0x6002958b2c5cb1, 0x623a71ca50eea5,
    0x646eea22aeb28f, 0x66a008e3ae928c, 0x68cdd82984518c, 0x6af861e4262b95, 0x6d1fafdcb3dff4,
    0x6f43cba5b981e7, 0x7164beb43202f5, 0x73829248367d0a, 0x759d4f809d7dad, 0x77b4ff4f77c779,
    0x79c9aa8654640f, 0x7bdb59cad2fc45, 0x7dea15a13bd1bc, 0x7ff5e669432191, 0x81fed45ac6bd29,
    0x8404e793063fd4, 0x86082805579604, 0x88089d889f9088, 0x8a064fd48a6fc2, 0x8c01467a8863f4,
    0x8df988f3d33649, 0x8fef1e9669c7c3, 0x91e20e9f2c1a28, 0x93d2602b220862, 0x95c01a39432c4c,
    0x97ab43ae8a39ae, 0x9993e353a91114, 0x9b79ffd950f9ad, 0x9d5d9fd3d4f696, 0x9f3ec9bb2811ce,
    0xa11d83f3d6bb2f, 0xa2f9d4c4239fa9, 0xa4d3c25d25b270, 0xa6ab52d8e5cbe7, 0xa8808c36325e5d,
    0xaa5374646304e6, 0xac241133e99f78, 0xadf26864825257, 0xafbe7f9ef47953, 0xb1885c7a58b7c8,
    0xb3500471274706, 0xb5157cf24315fb, 0xb6d8cb5169f104, 0xb899f4d885e14b, 0xba58feb0e7d0e1,
    0xbc15edfe4e8071, 0xbdd0c7c81422bf, 0xbf89910af02960, 0xc1404eab9b5a57, 0xc2f5058402c778,
    0xc4a7ba55d98dc8, 0xc65871d7f90cb3, 0xc80730add617b6, 0xc9b3fb6b34cd38, 0xcb5ed692fc367a,
    0xcd07c69b0f1bfd, 0xceaecfe8b2dc07, 0xd053f6d1f5c6fd, 0xd1f73f9a0d0d13, 0xd398ae7f88bcbf,
    0xd53847a985dd71, 0xd6d60f38887c45, 0xd8720933828f7b, 0xda0c39a33dc2ef, 0xdba4a47a362c6d,
    0xdd3b4d9b5b7416, 0xded038e3a7da4d, 0xe0636a2170cd6b, 0xe1f4e516262de0, 0xe384ad72ca0ca2,
    0xe512c6e46e4e8b, 0xe69f350617b05b, 0xe829fb67ed1acc, 0xe9b31d93e27962, 0xeb3a9eff6d51c6,
    0xecc083207cbed9, 0xee44cd59ba6b8d, 0xefc78101eea018, 0xf148a16e5d2097, 0xf2c831e18f7abe,
    0xf446359875ea7f, 0xf5c2afc438b674, 0xf73da38c5a209c, 0xf8b7140e1499fa, 0xfa2f045bb829a9,
    0xfba577876f1022, 0xfd1a70890f588f, 0xfe8df2628ae5fd,
};

/* a * b for fractions in units of 2^-62. */
static uint64_t times(uint64_t a, uint64_t b)
{
    return (uint64_t)((u128)a * b >> 62);
}

/* ln(1 + t) in units of 2^-62; t in the same, below 2^-6. Every difference is positive. */
static uint64_t ln_1p(uint64_t t)
{
    const uint64_t one = (uint64_t)1 << 62;
    uint64_t sum = one / 7 - times(t, one / 8);
    sum = one / 6 - times(t, sum);
    sum = one / 5 - times(t, sum);
    sum = one / 4 - times(t, sum);
    sum = one / 3 - times(t, sum);
    sum = one / 2 - times(t, sum);
    return times(t, one - times(t, sum));
}

uint64_t ms_minus_log2(uint64_t x)
{
    const uint64_t inverse_ln2 = 0x5c551d94ae0bf85eu; /* 1 / ln(2) in units of 2^-62 */
    unsigned zeros = (unsigned)__builtin_clzll(x);
    uint64_t mantissa = x << zeros; /* M in units of 2^-63 */
    unsigned i = (unsigned)(mantissa >> 56) & 127;
    uint64_t r = i ? reciprocals[i] : (uint64_t)1 << 32;
    uint64_t t = (uint64_t)(((u128)mantissa * r - ((u128)1 << 95)) >> 33); /* z - 1, 2^-62 */
    uint64_t log_z = (times(ln_1p(t), inverse_ln2) + 32) >> 6;
    uint64_t log = ((uint64_t)(63 - zeros) << 56) + logs[i] + log_z;
    const uint64_t whole = (uint64_t)64 << 56;
    return log < whole ? whole - log : 1;
}
