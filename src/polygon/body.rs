//! Bodies of answers: read compressed, inflated whole, and never larger than we can hold.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use libdeflater::{DecompressionError, Decompressor, crc32};

/// No answer is larger, inflated or not. A page of 50,000 bars has 6 MB; a day of the whole market
/// 2 MB.
pub(super) const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// The body of an answer as it came.
#[derive(Debug)]
pub(super) struct Body {
    /// What was received.
    pub(super) bytes: Vec<u8>,
    /// Whether the answer called it gzipped.
    pub(super) is_gzipped: bool,
}

/// Why a body can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is not what it says it is, or breaks off: asking again may help.
    Broken(String),
    /// It is larger than [`MAX_RESPONSE_BYTES`].
    TooLarge,
}

/// Whether a `Content-Encoding` means gzip. Codings are case-insensitive, and `x-gzip` is an old
/// name (RFC 9110, 8.4.1).
pub(super) fn is_gzip(content_encoding: &str) -> bool {
    let coding = content_encoding.trim();
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

impl Body {
    /// The text; the bytes received go to `buffers` on the way, before the text is parsed.
    pub(super) fn into_text(self, buffers: &Buffers) -> Result<String, BodyError> {
        let bytes = if self.is_gzipped {
            let inflated = gunzip(&self.bytes);
            buffers.give_back(self.bytes);
            inflated?
        } else {
            self.bytes
        };
        let mut text = String::from_utf8(bytes)
            .map_err(|error| BodyError::Broken(format!("it is not UTF-8: {error}")))?;
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Ok(text)
    }

    /// What the body of an error says: as much of it as can be read.
    pub(super) fn into_error_text(self) -> String {
        let bytes = match self.is_gzipped.then(|| gunzip(&self.bytes)) {
            Some(Ok(inflated)) => Cow::Owned(inflated),
            _ => Cow::Borrowed(self.bytes.as_slice()),
        };
        String::from_utf8_lossy(&bytes)
            .trim_start_matches('\u{feff}')
            .to_owned()
    }
}

/// Buffers that bodies were read into, to be used again. Each worker that allocates its own would
/// make the allocator keep megabytes for its thread.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// A larger buffer is not kept.
    const MAX_KEPT_BYTES: usize = 4 << 20;
    /// More buffers than this are not kept.
    const MAX_KEPT: usize = 9;

    /// An empty buffer.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_default()
    }

    /// Keeps a buffer for the next body.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() <= Self::MAX_KEPT_BYTES && kept.len() < Self::MAX_KEPT {
            kept.push(buffer);
        }
    }
}

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Inflates a gzip file as a whole: the end of it tells its size beforehand, which makes for one
/// allocation of the right size, and for half of the time that inflating piece by piece takes. It
/// may have several members (RFC 1952, 2.2) and zeros after the last one.
fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, BodyError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(BodyError::Broken(
            "it is not compressed, although Content-Encoding says gzip".to_owned(),
        ));
    }
    let hint = bytes
        .last_chunk()
        .map_or(0, |size| u32::from_le_bytes(*size) as usize);
    let (mut inflated, mut rest) = inflate_member(bytes, hint, MAX_RESPONSE_BYTES)?;
    while rest.iter().any(|byte| *byte != 0) {
        let room = MAX_RESPONSE_BYTES - inflated.len();
        let (member, after) = inflate_member(rest, hint, room)?;
        inflated.extend_from_slice(&member);
        rest = after;
    }
    Ok(inflated)
}

/// Inflates the first member to at most `most` bytes, trying `hint` first, and tells what follows
/// it.
fn inflate_member(bytes: &[u8], hint: usize, most: usize) -> Result<(Vec<u8>, &[u8]), BodyError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(BodyError::Broken(
            "there is something else after its gzip".to_owned(),
        ));
    }
    let mut size = first_size(bytes.len(), hint, most);
    let mut decompressor = Decompressor::new();
    loop {
        let mut inflated = vec![0; size];
        match decompressor.gzip_decompress(bytes, &mut inflated) {
            Ok(written) => {
                inflated.truncate(written);
                let end = member_end(bytes, &inflated)
                    .ok_or_else(|| BodyError::Broken("its gzip has no end".to_owned()))?;
                return Ok((inflated, &bytes[end..]));
            }
            Err(DecompressionError::InsufficientSpace) if size >= most => {
                return Err(BodyError::TooLarge);
            }
            Err(DecompressionError::InsufficientSpace) => {
                size = size.max(bytes.len()).saturating_mul(2).min(most);
            }
            Err(error) => return Err(BodyError::Broken(format!("its gzip: {error}"))),
        }
    }
}

/// The size to try first: the hint, unless it can't be true. Deflate makes nothing more than about a
/// thousand times smaller.
fn first_size(compressed: usize, hint: usize, most: usize) -> usize {
    if hint <= compressed.saturating_mul(1_100) {
        hint.min(most)
    } else {
        0
    }
}

/// Where the first member ends, which inflates to `inflated`: it is closed by the checksum and the
/// size of that, and followed by nothing, by zeros, or by another member.
fn member_end(bytes: &[u8], inflated: &[u8]) -> Option<usize> {
    const MIN_HEADER: usize = 10;
    // The size is kept modulo 2^32, which no answer reaches.
    let trailer = u64::from(crc32(inflated)) + (u64::try_from(inflated.len()).ok()? << 32);
    let is_trailer = |window: &[u8]| {
        window
            .first_chunk()
            .is_some_and(|bytes| u64::from_le_bytes(*bytes) == trailer)
    };
    let mut from = MIN_HEADER;
    while let Some(found) = bytes
        .get(from..)?
        .windows(size_of::<u64>())
        .position(is_trailer)
    {
        let end = from + found + size_of::<u64>();
        let rest = &bytes[end..];
        if rest.starts_with(&MAGIC) || rest.iter().all(|byte| *byte == 0) {
            return Some(end);
        }
        from += found + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use libdeflater::{CompressionLvl, Compressor};

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut compressor = Compressor::new(CompressionLvl::default());
        let mut bytes = vec![0; compressor.gzip_compress_bound(text.len())];
        let written = compressor.gzip_compress(text, &mut bytes).unwrap();
        bytes.truncate(written);
        bytes
    }

    fn text_of(bytes: &[u8], is_gzipped: bool) -> Result<String, BodyError> {
        Body {
            bytes: bytes.to_vec(),
            is_gzipped,
        }
        .into_text(&Buffers::default())
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
    fn a_hint_that_can_not_be_true_reserves_nothing() {
        for (hint, expected) in [(50_000, 50_000), (110_000, 110_000), (110_001, 0)] {
            assert_eq!(first_size(100, hint, 1 << 20), expected);
        }
        assert_eq!(first_size(100, 50_000, 10_000), 10_000);
    }

    #[test]
    fn buffers_are_used_again_unless_they_are_large_or_many() {
        let buffers = Buffers::default();
        buffers.give_back(b"a body".to_vec());
        let again = buffers.take();
        assert_eq!((again.len(), again.capacity()), (0, 6));
        for (bytes, is_kept) in [(4 << 20, true), ((4 << 20) + 1, false)] {
            buffers.give_back(Vec::with_capacity(bytes));
            assert_eq!(buffers.take().capacity() == bytes, is_kept, "{bytes}");
        }
        for _ in 0..20 {
            buffers.give_back(vec![0]);
        }
        let kept = (0..20).filter(|_| buffers.take().capacity() > 0);
        assert_eq!(kept.count(), Buffers::MAX_KEPT);
    }

    #[test]
    fn several_members_and_zeros_after_them_are_read() {
        for members in [
            ["{\"a\":", "1}"],
            ["same", "same"],
            ["", "x"],
            ["x", ""],
            ["long", &"y".repeat(100_000)],
        ] {
            let mut bytes: Vec<u8> = members
                .iter()
                .flat_map(|member| gzip(member.as_bytes()))
                .collect();
            assert_eq!(text_of(&bytes, true).unwrap(), members.concat());
            bytes.extend([0; 512]);
            assert_eq!(text_of(&bytes, true).unwrap(), members.concat());
        }
    }

    #[test]
    fn the_name_of_the_coding_is_read_in_any_case() {
        assert!(
            ["gzip", "GZIP", "x-gzip", "X-Gzip", " gzip "]
                .into_iter()
                .all(is_gzip)
        );
        assert!(
            !["", "identity", "br", "gzip, gzip"]
                .into_iter()
                .any(is_gzip)
        );
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(text_of("\u{feff}{}".as_bytes(), false).unwrap(), "{}");
        assert_eq!(text_of(&gzip("\u{feff}{}".as_bytes()), true).unwrap(), "{}");
    }

    #[test]
    fn a_plain_body_that_is_called_gzip_is_told_as_that() {
        let Err(BodyError::Broken(cause)) = text_of(b"{}", true) else {
            panic!("it is broken")
        };
        assert!(cause.contains("not compressed"), "{cause}");
    }

    #[test]
    fn a_gzip_that_is_cut_or_damaged_is_broken_and_never_read() {
        let whole = gzip(&b"0123456789".repeat(1_000));
        for cut in 0..whole.len() {
            assert!(
                matches!(
                    text_of(&whole[..cut], true),
                    Err(BodyError::Broken(_) | BodyError::TooLarge)
                ),
                "{cut}"
            );
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
        let bomb = gzip(&vec![b' '; MAX_RESPONSE_BYTES + 1]);
        assert_eq!(text_of(&bomb, true), Err(BodyError::TooLarge));
        let half = gzip(&vec![b' '; MAX_RESPONSE_BYTES / 2 + 1]);
        assert_eq!(
            text_of(&[half.clone(), half].concat(), true),
            Err(BodyError::TooLarge)
        );
        assert!(text_of(&gzip(&vec![b' '; MAX_RESPONSE_BYTES]), true).is_ok());
    }

    #[test]
    fn text_that_is_not_utf_8_is_broken() {
        assert!(matches!(
            text_of(b"{\"ticker\":\"\xff\"}", false),
            Err(BodyError::Broken(_))
        ));
    }

    #[test]
    fn what_an_error_says_is_read_as_far_as_it_goes() {
        let say = |bytes: &[u8], is_gzipped| {
            Body {
                bytes: bytes.to_vec(),
                is_gzipped,
            }
            .into_error_text()
        };
        assert_eq!(say(&gzip(b"no"), true), "no");
        assert_eq!(say(b"plain", true), "plain");
        assert_eq!(say(b"\xffx", false), "\u{fffd}x");
    }
}
