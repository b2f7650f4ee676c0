//! Bodies of responses: kept as received, decompressed when they are needed, and never larger than we can hold.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use libdeflater::{Decompressor, crc32};
use memchr::memmem;

/// The most bytes of a body as received. A page of 50,000 bars has 2 MB, or 6 MB without compression.
pub(super) const MAX_RECEIVED_BYTES: usize = 16 << 20;

/// The most bytes of a decompressed body.
const MAX_BYTES: usize = 64 << 20;

/// The body of a response as received.
#[derive(Debug)]
pub(crate) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Whether `Content-Encoding` says so.
    pub(super) is_gzipped: bool,
}

/// Whether a `Content-Encoding` means gzip. Codings are case-insensitive, and `x-gzip` is an old
/// name (RFC 9110, 8.4.1).
pub(super) fn is_gzip(content_encoding: &str) -> bool {
    let coding = content_encoding.trim();
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

impl Body {
    /// The text, or why it can't be read.
    pub(super) fn into_text(self) -> Result<String, String> {
        let bytes = if self.is_gzipped { gunzip(&self.bytes)? } else { self.bytes };
        let mut text = String::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Ok(text)
    }

    /// The text of an error, however damaged.
    pub(super) fn into_error_text(self) -> String {
        let bytes = match self.is_gzipped.then(|| gunzip(&self.bytes)) {
            Some(Ok(inflated)) => inflated,
            _ => self.bytes,
        };
        String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned()
    }
}

/// Decompresses gzip, which may have several members (RFC 1952, 2.2).
fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err("it is not compressed, although Content-Encoding says gzip".to_owned());
    }
    if let Some(inflated) = gunzip_single(bytes) {
        return Ok(inflated);
    }
    let mut inflated = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| format!("its gzip: {error}"))?;
    if inflated.len() > MAX_BYTES {
        return Err(format!("it exceeds {} MiB", MAX_BYTES >> 20));
    }
    Ok(inflated)
}

/// Decompresses gzip with a single member, which ends with the checksum and the size of the result; `None` if it is
/// anything else. A page of 50,000 bars (4.8 MB) takes 5 ms instead of flate2's 12, of about 15 ms for the whole page.
fn gunzip_single(bytes: &[u8]) -> Option<Vec<u8>> {
    let (members, end) = bytes.split_last_chunk::<8>()?;
    // Another member that ends in the same way has the same text; any other one differs from the checksum or the size.
    if memmem::find(members, end).is_some() {
        return None;
    }
    let [checksum, size] = [&end[..4], &end[4..]].map(|part| part.first_chunk().map(|part| u32::from_le_bytes(*part)));
    let size = size? as usize;
    // Deflate makes nothing more than about a thousand times smaller.
    if size > MAX_BYTES.min(bytes.len() * 1_100) {
        return None;
    }
    let mut inflated = vec![0; size];
    let written = Decompressor::new().gzip_decompress(bytes, &mut inflated);
    (written == Ok(size) && Some(crc32(&inflated)) == checksum).then_some(inflated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polygon::test_server::gzip;

    fn text_of(bytes: &[u8], is_gzipped: bool) -> Result<String, String> {
        Body { bytes: bytes.to_vec(), is_gzipped }.into_text()
    }

    #[test]
    fn plain_and_gzipped_bodies_are_read() {
        assert_eq!(text_of(b"{}", false).unwrap(), "{}");
        assert_eq!(text_of(&gzip(b"{}"), true).unwrap(), "{}");
        assert_eq!(text_of(&gzip(b""), true).unwrap(), "");
        let long = "0123456789".repeat(100_000);
        assert_eq!(text_of(&gzip(long.as_bytes()), true).unwrap(), long);
    }

    #[test]
    fn several_members_are_read() {
        for members in [["{\"a\":", "1}"], ["same", "same"], ["", "x"], ["x", ""], ["long", &"y".repeat(100_000)]] {
            let bytes: Vec<u8> = members.iter().flat_map(|member| gzip(member.as_bytes())).collect();
            assert_eq!(text_of(&bytes, true).unwrap(), members.concat());
        }
    }

    #[test]
    fn the_name_of_the_coding_is_read_in_any_case() {
        assert!(["gzip", "GZIP", "x-gzip", "X-Gzip", " gzip "].into_iter().all(is_gzip));
        assert!(!["", "identity", "br", "gzip, gzip"].into_iter().any(is_gzip));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(text_of("\u{feff}{}".as_bytes(), false).unwrap(), "{}");
        assert_eq!(text_of(&gzip("\u{feff}{}".as_bytes()), true).unwrap(), "{}");
    }

    #[test]
    fn a_plain_body_that_is_called_gzip_is_told_as_that() {
        let cause = text_of(b"{}", true).unwrap_err();
        assert!(cause.contains("not compressed"), "{cause}");
    }

    #[test]
    fn a_gzip_that_is_cut_or_damaged_is_broken_and_never_read() {
        let whole = gzip(&b"0123456789".repeat(1_000));
        for cut in 0..whole.len() {
            assert!(text_of(&whole[..cut], true).is_err(), "{cut}");
        }
        for at in 10..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            assert!(text_of(&damaged, true).is_err(), "{at}");
        }
        let mut trailing = whole.clone();
        trailing.extend(b"rest");
        assert!(text_of(&trailing, true).is_err());
    }

    #[test]
    fn a_body_beyond_the_limit_is_too_large_however_small_it_comes() {
        let bomb = gzip(&vec![b' '; MAX_BYTES + 1]);
        let is_too_large = |bytes: &[u8]| text_of(bytes, true).err().as_deref() == Some("it exceeds 64 MiB");
        assert!(is_too_large(&bomb));
        let parts = [MAX_BYTES / 2 + 1, MAX_BYTES / 2].map(|size| gzip(&vec![b' '; size]));
        assert!(is_too_large(&parts.concat()));
        assert!(is_too_large(&[&parts[0][..], &parts[0]].concat()));
        assert!(text_of(&gzip(&vec![b' '; MAX_BYTES]), true).is_ok());
    }

    #[test]
    fn text_that_is_not_utf_8_is_broken() {
        let cause = text_of(b"{\"ticker\":\"\xff\"}", false).unwrap_err();
        assert!(cause.contains("not UTF-8"), "{cause}");
    }

    #[test]
    fn what_an_error_says_is_read_as_far_as_it_goes() {
        let say = |bytes: &[u8], is_gzipped| Body { bytes: bytes.to_vec(), is_gzipped }.into_error_text();
        assert_eq!(say(&gzip(b"no"), true), "no");
        assert_eq!(say(b"plain", true), "plain");
        assert_eq!(say(b"\xffx", false), "\u{fffd}x");
    }
}
