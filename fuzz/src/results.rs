//! A publisher's upload.

use super::pieces;

/// The first eight bytes say how the rest is cut into pieces as it arrives. However it is cut, the same lines come out, and
/// each is a result or an error.
pub fn results(data: &[u8]) {
    let (cuts, upload) = data.split_at(data.len().min(8));
    let whole = mcpd::untrusted::results([upload]);
    let cut = mcpd::untrusted::results(pieces(upload, cuts));
    // A line that is too long is noticed sooner or later, but what came before it is there.
    assert_eq!(whole, cut);
}
