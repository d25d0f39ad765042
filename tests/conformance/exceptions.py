"""What h2spec asks for and does not get, each with the reason and the test that shows the rule to hold all the same."""

from collections.abc import Mapping

NO_BODY = (
    "h2spec's GET is no gRPC call: the answer, 405, has no body. Shown on real calls: "
    "test_h2spec_generic.py (generic 2), test_h2spec_frames.py::TestFlowControl (6.5.3, 6.9)"
)
AT_ONCE = (
    "h2spec's GETs are answered at once, so that never more than one is open. Shown with calls that stay open: "
    "test_h2spec_streams.py::test_5_1_2_streams_over_the_announced_number_are_refused_alone"
)

BY_TIMING = (
    "passes where the frames come in one read, as they mostly do. Else h2spec's request, which is no gRPC call, is "
    "answered (405, 415) and its stream reset before the frame that breaks it comes. Shown on real calls: "
    "test_h2spec_exchanges.py (8.1), test_h2spec_frames.py (6.9.1: stream window over 2^31-1)"
)

KNOWN: Mapping[tuple[str, str], str] = {
    ("generic/2", "Sends a WINDOW_UPDATE frame on half-closed (remote) stream"): NO_BODY,
    ("generic/2", "Sends a PRIORITY frame on half-closed (remote) stream"): NO_BODY,
    (
        "http2/5.1.2",
        "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
    ): AT_ONCE,
    ("http2/6.5.3", "Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE"): NO_BODY,
    ("http2/6.9.1", "Sends SETTINGS frame to set the initial window size to 1 and sends HEADERS frame"): NO_BODY,
    (
        "http2/6.9.1",
        "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
    ): BY_TIMING,
    ("http2/6.9.2", "Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame"): NO_BODY,
    ("http2/6.9.2", "Sends a SETTINGS frame for window size to be negative"): NO_BODY,
    ("http2/8.1", "Sends a second HEADERS frame without the END_STREAM flag"): BY_TIMING,
    ("http2/8.1.2.1", "Sends a HEADERS frame that contains a pseudo-header field as trailers"): BY_TIMING,
    (
        "http2/8.1.2.6",
        'Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload length',
    ): BY_TIMING,
    (
        "http2/8.1.2.6",
        (
            'Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple '
            "DATA frames payload length"
        ),
    ): BY_TIMING,
}
"""By section and title, as h2spec's report names them."""
