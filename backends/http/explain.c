/* Why a request failed, in a sentence: see explain.h. */
#include "backends/http/explain.h"

#include "base/text.h"

/* detail: in the words of libcurl and OpenSSL, the only place where the reason is told. */
static int untrusted(const char *host, const char *detail, struct ms_error *err)
{
    if (strstr(detail, "not yet valid"))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "the certificate of %s is not valid yet: is the clock here right?",
                            host);
    if (strstr(detail, "has expired"))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "the certificate of %s has expired: it is to be renewed over there, "
                            "unless the clock here is wrong",
                            host);
    if (strstr(detail, "target host name"))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "the certificate of %s is for another host: use the name it is made "
                            "for, or find out who answers there",
                            host);
    return ms_error_set(err, MS_ERR_UNTRUSTED,
                        "the certificate of %s is not trusted (%s); give its authority with "
                        "?ca=FILE if you trust it",
                        host, detail);
}

/* Of a handshake that failed: the line broke, and nobody said anything that is no TLS. */
static bool line_broke(const char *detail)
{
    static const char *const signs[] = {"Recv failure", "Send failure", "SSL_ERROR_SYSCALL",
                                        "unexpected eof", "not connected"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(detail, signs[i]))
            return true;
    return false;
}

int ms_http_explain(const char *host, const char *ca_file, CURLcode result, const char *detail,
                    struct ms_error *err)
{
    if (!detail[0])
        detail = curl_easy_strerror(result);
    if (result == CURLE_SSL_CONNECT_ERROR &&
        (strstr(detail, "wrong version number") || strstr(detail, "packet length too long")))
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "%s speaks something else: no TLS there; does its address begin with "
                            "http: instead of https:?",
                            host);
    if (result == CURLE_SSL_CONNECT_ERROR && line_broke(detail))
        result = CURLE_RECV_ERROR;
    switch ((int)result) {
    case CURLE_OUT_OF_MEMORY:
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a request to %s", host);
    case CURLE_COULDNT_RESOLVE_HOST:
        return ms_error_set(err, MS_ERR_CONNECTION,
                            "the host of %s has no address: is the name right, and is there a "
                            "network?",
                            host);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return ms_error_set(err, MS_ERR_CONNECTION,
                            "no connection to %s: nothing answers at that host and port", host);
    case CURLE_OPERATION_TIMEDOUT:
        return ms_error_set(err, MS_ERR_TIMEOUT, "%s does not answer in time", host);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return untrusted(host, detail, err);
    case CURLE_SSL_CACERT_BADFILE:
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s cannot be used to trust %s: no readable PEM certificates in it",
                            MS_SHOW(ms_str(ca_file ? ca_file : "the system's file")), host);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s speaks something else (%s)", host, detail);
    case CURLE_URL_MALFORMAT:
        return ms_error_set(err, MS_ERR_URL, "the address of %s is malformed", host);
    case CURLE_ABORTED_BY_CALLBACK: /* not cancelled: see before_sending */
        return ms_error_set(err, MS_ERR_CONNECTION, "%s closed the connection without an answer",
                            host);
    default: /* sending, receiving, an end in the middle, a stream that was reset, a GOAWAY */
        return ms_error_set(err, MS_ERR_CONNECTION, "the connection to %s broke (%s)", host,
                            curl_easy_strerror(result));
    }
}
