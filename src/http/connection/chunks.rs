//! Where a body in chunks ends (RFC 9112 section 7.1).
//!
//! actix-http decodes the chunks; this only follows them. It takes less than actix-http does and nothing else, so that the
//! two cannot disagree about the end: what it does not take ends the connection before actix-http has seen it.

/// The most that the extensions and trailers of one body may take, in bytes. Nobody here reads them.
const EXTRAS_MAX_BYTES: usize = 4 * 1024;

/// The most digits of a chunk's size: as many as 64 bits have.
const SIZE_DIGITS_MAX: u8 = 16;

/// A body in chunks, as far as it has come.
#[derive(Debug)]
pub(super) struct Chunks {
    place: Place,
    extras: usize,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy)]
enum Place {
    Size { digits: u8, size: u64 },
    SizeSpace { size: u64 },
    Extension { size: u64 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// The chunks are not what the RFC says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Chunks {
    pub(super) fn new() -> Self {
        Self { place: Place::Size { digits: 0, size: 0 }, extras: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// Follows the body through `bytes`, and says how many of them belong to it.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut taken = 0;
        while let Some(&byte) = bytes.get(taken) {
            if let Place::Data { left } = self.place {
                let there = bytes.len() - taken;
                let part = usize::try_from(left).unwrap_or(usize::MAX).min(there);
                taken += part;
                let left = left - part as u64;
                self.place = if left == 0 { Place::DataCr } else { Place::Data { left } };
                continue;
            }
            if self.is_at_end() {
                break;
            }
            self.place = self.place.after(byte)?;
            if matches!(self.place, Place::SizeSpace { .. } | Place::Extension { .. } | Place::Trailer) {
                self.extras += 1;
                if self.extras > EXTRAS_MAX_BYTES {
                    return Err(Malformed);
                }
            }
            taken += 1;
        }
        Ok(taken)
    }
}

impl Place {
    fn after(self, byte: u8) -> Result<Self, Malformed> {
        let next = match (self, byte) {
            (Self::Size { digits, size }, _) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                Self::Size { digits: digits + 1, size: size << 4 | digit }
            }
            (Self::Size { digits: 1.., size } | Self::SizeSpace { size }, b' ' | b'\t') => Self::SizeSpace { size },
            (Self::Size { digits: 1.., size } | Self::SizeSpace { size }, b';')
            | (Self::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => Self::Extension { size },
            (Self::Size { digits: 1.., size } | Self::SizeSpace { size } | Self::Extension { size }, b'\r') => {
                Self::SizeLf { size }
            }
            (Self::SizeLf { size: 0 } | Self::TrailerLf, b'\n') => Self::TrailerStart,
            (Self::SizeLf { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { digits: 0, size: 0 },
            (Self::TrailerStart, b'\r') => Self::EndLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::TrailerStart | Self::Trailer, b'\t' | b' '..=b'~' | 0x80..) => Self::Trailer,
            (Self::EndLf, b'\n') => Self::End,
            _ => return Err(Malformed),
        };
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes the body takes, fed in pieces of `piece` bytes; `None` when it does not end there.
    fn end(bytes: &[u8], piece: usize) -> Result<Option<usize>, Malformed> {
        let (mut chunks, mut taken) = (Chunks::new(), 0);
        for part in bytes.chunks(piece) {
            let here = chunks.advance(part)?;
            taken += here;
            if here < part.len() {
                break;
            }
        }
        Ok(chunks.is_at_end().then_some(taken))
    }

    #[test]
    fn a_body_ends_where_its_last_chunk_says() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "00005\r\nhello\r\n000\r\n\r\n",
            "5 ; a=b;c\r\nhello\r\n0;x\r\n\r\n",
            "a\r\n0\r\n\r\nGET /\r\n1\r\n!\r\n0\r\nTrailer: 1\r\nOther: 2\r\n\r\n",
        ] {
            let longer = format!("{body}GET / HTTP/1.1\r\n");
            for piece in [1, 2, 3, 1_000] {
                assert_eq!(end(longer.as_bytes(), piece), Ok(Some(body.len())), "{body:?}");
            }
        }
        assert_eq!(end(b"5\r\nhello\r\n0\r\n", 7), Ok(None), "more must come");
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_malformed() {
        let endless = format!("1;{}", "x".repeat(EXTRAS_MAX_BYTES));
        let trailers = format!("0\r\n{}", "X: y\r\n".repeat(EXTRAS_MAX_BYTES));
        for body in [
            "\r\n",
            "zz\r\n",
            "-1\r\n",
            "0x5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhello\n",
            "5\r\nhello!\r\n",
            "5 5\r\nhello\r\n",
            "5;a\nb\r\nhello\r\n",
            "5;\0\r\nhello\r\n",
            "0\r\nTrailer\n\r\n\r\n",
            "0\r\n\n",
            "11111111111111111\r\n",
            &endless,
            &trailers,
        ] {
            assert_eq!(end(body.as_bytes(), 1_000), Err(Malformed), "{body:?}");
        }
    }
}
